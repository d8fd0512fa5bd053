//! The stream of decisions that a generated schema or statement is made of.
//!
//! Invariant: the same stream gives the same text, and 0 always means the simplest alternative; so
//! shrinking a stream (see `shrink`) shrinks the text without knowing its grammar.

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One that depends on several numbers.
    pub fn of(parts: &[u64]) -> Self {
        let mut rng = Self(0x5eed);
        for part in parts {
            rng.0 ^= part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            rng.draw();
        }
        rng
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
}

/// Decisions: new ones from a random number generator, or those of an earlier run.
#[derive(Clone, Debug)]
pub struct Choices {
    taken: Vec<u32>,
    at: usize,
    rng: Option<Rng>,
}

impl Choices {
    /// New decisions.
    pub fn random(rng: Rng) -> Self {
        Self {
            taken: Vec::new(),
            at: 0,
            rng: Some(rng),
        }
    }

    /// The decisions of an earlier run; past their end, always 0.
    pub fn replay(taken: Vec<u32>) -> Self {
        Self {
            taken,
            at: 0,
            rng: None,
        }
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        let value = match (&mut self.rng, self.taken.get(self.at)) {
            (_, Some(taken)) => (*taken as usize).min(n.saturating_sub(1)),
            (Some(rng), None) => {
                let value = rng.below(n);
                self.taken.push(value as u32);
                value
            }
            (None, None) => 0,
        };
        self.at += 1;
        value
    }

    /// An index, with these weights. The first of them is the simplest.
    pub fn pick(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = self.below(total as usize) as u32;
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    /// True in so many of a hundred; false is the simpler.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) >= 100 - percent.min(100) as usize
    }

    /// One of several, the first being the simplest.
    pub fn one<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len())]
    }

    /// What was decided.
    pub fn into_taken(mut self) -> Vec<u32> {
        self.taken.truncate(self.at);
        self.taken
    }
}
