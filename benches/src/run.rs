//! Ways to do the same thing, measured in turn, and what they took.

use std::time::{Duration, Instant};

/// What one way took, over all its rounds.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    times: Vec<Duration>,
    elapsed: Duration,
}

impl Measured {
    fn add(&mut self, times: Vec<Duration>, elapsed: Duration) {
        self.times.extend(times);
        self.times.sort_unstable();
        self.elapsed += elapsed;
    }

    /// The time that `percent` of the calls stayed within, in milliseconds.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = self.times.len().saturating_sub(1) * percent / 100;
        self.times
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    /// Calls a second, of all tasks together.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Measures each way in every round, so that a drift of the machine meets all of them. A round of
/// a way runs `tasks` tasks for `length`; `task(way, task, until)` returns the time of each call.
/// The first round warms up and isn't counted; who begins changes from round to round.
///
/// # Errors
/// The first error of a task.
pub async fn in_turn<const WAYS: usize, T>(
    rounds: usize,
    length: Duration,
    tasks: usize,
    task: impl Fn(usize, usize, Instant) -> T,
) -> anyhow::Result<[Measured; WAYS]>
where
    T: Future<Output = anyhow::Result<Vec<Duration>>> + Send + 'static,
{
    let mut measured = [const {
        Measured {
            times: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }; WAYS];
    for round in 0..=rounds {
        for turn in 0..WAYS {
            let way = (round + turn) % WAYS;
            let begun = Instant::now();
            let running: Vec<_> = (0..tasks)
                .map(|number| tokio::spawn(task(way, number, begun + length)))
                .collect();
            let mut times = Vec::new();
            for task in running {
                times.extend(task.await??);
            }
            if let (Some(measured), 1..) = (measured.get_mut(way), round) {
                measured.add(times, begun.elapsed());
            }
        }
    }
    Ok(measured)
}
