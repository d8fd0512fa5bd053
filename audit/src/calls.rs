//! Verification of writes: what the records of calls say of their effects, call by call.
//!
//! Invariant: an effect is good only if its MAC is, under the key of its call. One that no call counts is
//! counted by itself, because it is in no chain.

use std::collections::HashMap;

use crate::canonical::{Effect, ranges};
use crate::finding::Finding;
use crate::key::Mac;
use crate::ring::{KeyId, RingKey, TenantRing};

/// An effect as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEffect {
    /// The row.
    pub id: i64,
    /// Its MAC, if it is one.
    pub mac: Option<Mac>,
    /// The rest.
    pub record: Effect,
}

/// What the record of a call says of its writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Which ones committed, as [`ordinals`](crate::ordinals) writes them.
    pub ordinals: Option<String>,
    /// Of how many nobody knows, or of how many the records may have been given up.
    pub uncertain: u64,
    /// The key that its writer names, if it names one.
    pub key: Option<KeyId>,
}

/// Compares the effects of calls with what the calls say, call by call.
#[derive(Debug)]
pub struct CallVerifier {
    keys: TenantRing,
    keyless: bool,
    calls: Calls,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Effects that are as they were written.
    pub verified: u64,
    /// Those of them that belong to a call that left no record, because its process ended first or it is
    /// still under way.
    pub unsealed: u64,
    /// Effects under keys that are not among those given.
    pub unknown: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Under which key an effect is good.
enum Under<'k> {
    One(&'k RingKey),
    /// Under one that is none of its call's.
    Foreign,
    Nothing,
}

impl CallVerifier {
    /// For one tenant's trail.
    #[must_use]
    pub fn new(keys: TenantRing) -> Self {
        Self {
            keys,
            keyless: false,
            calls: Calls::default(),
        }
    }

    /// None of the keys is one of this trail's, as its chains show: then an effect that no call counts is
    /// of an unknown key, and not changed.
    #[must_use]
    pub const fn keyless(mut self, keyless: bool) -> Self {
        self.keyless = keyless;
        self
    }

    /// All effects of one reference, and what each record of a call with that reference says. Empty
    /// if no record of the call is there.
    pub fn push(&mut self, reference: &str, effects: &[StoredEffect], said: &[Said]) {
        let mut counted = Counted::of(said);
        let has = |id: KeyId| self.keys.keys().iter().any(|key| key.id == id);
        let unknown =
            !said.is_empty() && said.iter().all(|said| said.key.is_some_and(|id| !has(id)));
        if unknown {
            // Whose key is not here, of that nothing can be said.
            self.calls.unknown += effects.len() as u64;
            return;
        }
        let (mut found, mut others) = (0, 0);
        for effect in effects {
            let id = effect.id;
            let reference = effect.record.reference.clone();
            let Some(mac) = effect.mac else {
                self.calls
                    .findings
                    .push(Finding::Inserted { id, reference });
                continue;
            };
            let past = |key: &RingKey| key.is_past(id, effect.record.recorded_at);
            match under(&self.keys, effect, &mac, said) {
                Under::One(key) if !past(key) => {}
                Under::One(_) | Under::Foreign => {
                    self.calls.findings.push(Finding::Retired { id, reference });
                    continue;
                }
                Under::Nothing if self.keyless && said.is_empty() => {
                    self.calls.unknown += 1;
                    continue;
                }
                Under::Nothing => {
                    self.calls.findings.push(Finding::Changed { id, reference });
                    continue;
                }
            }
            match counted.take(effect.record.ordinal) {
                Some(true) => found += 1,
                Some(false) => others += 1,
                None => self
                    .calls
                    .findings
                    .push(Finding::Inserted { id, reference }),
            }
        }
        self.calls.verified += found + others;
        if said.is_empty() {
            self.calls.unsealed += others;
        } else if found < counted.total {
            self.calls.findings.push(Finding::EffectRemoved {
                reference: reference.to_owned(),
                said: counted.total,
                found,
            });
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Calls {
        self.calls
    }
}

/// A process has one key, so that the effects of a call are under the key of its record.
fn under<'k>(keys: &'k TenantRing, effect: &StoredEffect, mac: &Mac, said: &[Said]) -> Under<'k> {
    let fits = |key: &&RingKey| mac.matches(&effect.record.mac(&key.key));
    let Some(key) = keys.keys().iter().find(fits) else {
        return Under::Nothing;
    };
    let of_call = |said: &Said| said.key.is_none_or(|id| id == key.id);
    match said.is_empty() || said.iter().any(of_call) {
        true => Under::One(key),
        false => Under::Foreign,
    }
}

/// What the calls of one reference count, and what of it was seen.
struct Counted {
    certain: Vec<Vec<(i32, i32)>>,
    total: u64,
    uncertain: u64,
    /// Two calls of one reference count their writes by themselves.
    calls: usize,
    none: bool,
    /// By ordinal: how often it was seen, and how often it may be. Copies must not take for ever.
    seen: HashMap<i32, (usize, usize)>,
}

impl Counted {
    fn of(said: &[Said]) -> Self {
        let certain: Vec<Vec<(i32, i32)>> = said
            .iter()
            .map(|said| ranges(said.ordinals.as_deref()))
            .collect();
        let length = |(from, to): &(i32, i32)| u64::from(to.abs_diff(*from)) + 1;
        Self {
            total: certain.iter().flatten().map(length).sum(),
            certain,
            uncertain: said.iter().map(|said| said.uncertain).sum(),
            calls: said.len().max(1),
            none: said.is_empty(),
            seen: HashMap::new(),
        }
    }

    /// One effect of this ordinal: whether a call is certain of it, or it may be one of those of which
    /// nobody knows. `None` if it is one too many.
    fn take(&mut self, ordinal: i32) -> Option<bool> {
        let certain = &self.certain;
        let most = || {
            let within = |ranges: &&Vec<(i32, i32)>| {
                let mut ranges = ranges.iter();
                ranges.any(|(from, to)| (*from..=*to).contains(&ordinal))
            };
            (0, certain.iter().filter(within).count())
        };
        let (seen, most) = self.seen.entry(ordinal).or_insert_with(most);
        let is_certain = *seen < *most;
        if !is_certain {
            if *seen >= self.calls || !(self.none || self.uncertain > 0) {
                return None;
            }
            self.uncertain = self.uncertain.saturating_sub(1);
        }
        *seen += 1;
        Some(is_certain)
    }
}
