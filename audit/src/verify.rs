//! Verification: what a chain and the effects of its calls say about the table.
//!
//! Invariant: a record is good only if its MAC is. What can't be verified is reported, and the rest
//! goes on from there.

use std::fmt;

use crate::canonical::{Completion, Effect};
use crate::chain::Head;
use crate::key::{Mac, TenantKey};

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The record's contents are not what its MAC was made for.
    Changed {
        /// The row.
        id: i64,
        /// Its reference, as it stands there now.
        reference: String,
    },
    /// Records are gone.
    Removed {
        /// The chain.
        writer: String,
        /// The first that is missing.
        from: i64,
        /// The last that is missing.
        to: i64,
        /// The reference of the record in front of them.
        after: Option<String>,
    },
    /// The row was not written by a holder of the key, or it is a copy.
    Inserted {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
    },
    /// The record was written at another place of its chain.
    Moved {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
        /// The number that it has now.
        now: i64,
        /// The number that it was written with, or the order of rows where only that is wrong.
        was: Option<i64>,
    },
    /// The record can't be verified, because the one in front of it is gone.
    Loose {
        /// The row.
        id: i64,
        /// Its reference.
        reference: String,
    },
    /// The newest records of a chain are gone, by a head that was kept elsewhere.
    Cut {
        /// The chain.
        writer: String,
        /// The last number in the table; 0 if nothing is left.
        last: i64,
        /// The number that was published.
        published: i64,
    },
    /// The chain at a published head is another one.
    Rewritten {
        /// The chain.
        writer: String,
        /// The number that was published.
        published: i64,
    },
    /// A call says how often it wrote, and not all records of that are there.
    EffectRemoved {
        /// The call.
        reference: String,
        /// How many writes committed.
        said: u64,
        /// How many of their records there are.
        found: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { id, reference } => {
                write!(f, "changed: record {id}, reference {reference}")
            }
            Self::Removed {
                writer,
                from,
                to,
                after,
            } => {
                write!(f, "removed: ")?;
                match from == to {
                    true => write!(f, "number {from}")?,
                    false => write!(f, "numbers {from} to {to}")?,
                }
                write!(f, " of writer {writer}")?;
                match after {
                    Some(reference) => write!(f, ", after reference {reference}"),
                    None => write!(f, ", at its beginning"),
                }
            }
            Self::Inserted { id, reference } => {
                write!(f, "inserted: record {id}, reference {reference}")
            }
            Self::Moved {
                id,
                reference,
                now,
                was,
            } => {
                write!(f, "reordered: record {id}, reference {reference}, ")?;
                match was {
                    Some(was) => write!(f, "is number {now} and was written as {was}"),
                    None => write!(f, "number {now}, stands out of order"),
                }
            }
            Self::Loose { id, reference } => write!(
                f,
                "can't be verified: record {id}, reference {reference}, because the one in front of it is gone or changed"
            ),
            Self::Cut {
                writer,
                last,
                published,
            } => write!(
                f,
                "cut off: writer {writer} ends at {last}, and {published} was published"
            ),
            Self::Rewritten { writer, published } => write!(
                f,
                "rewritten: number {published} of writer {writer} is not the record that was published"
            ),
            Self::EffectRemoved {
                reference,
                said,
                found,
            } => write!(
                f,
                "removed: the call with reference {reference} left records of {found} of its {said} writes"
            ),
        }
    }
}

/// A completion as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCompletion {
    /// The row.
    pub id: i64,
    /// Its number.
    pub seq: i64,
    /// Its MAC, if it is one.
    pub mac: Option<Mac>,
    /// The rest.
    pub record: Completion,
}

/// Follows one chain, whose rows come in the order of their numbers, equal ones by id.
#[derive(Debug)]
pub struct ChainVerifier {
    key: TenantKey,
    writer: String,
    /// The last number seen, and the MAC that the next record was made with.
    seq: i64,
    last: Option<Mac>,
    last_id: i64,
    reference: Option<String>,
    published: Vec<Head>,
    /// Rows that are not right where they stand, until the end tells why.
    suspects: Vec<StoredCompletion>,
    /// Numbers whose record did not fit.
    places: Vec<i64>,
    /// MACs that a record near a suspect may have been made with.
    befores: Vec<Mac>,
    verified: u64,
    findings: Vec<Finding>,
}

/// Of more suspects nobody finds out which were moved: that takes the third power of their number.
const MOST_SUSPECTS: usize = 60;

impl ChainVerifier {
    /// A chain from its beginning, and the heads that were published of it.
    #[must_use]
    pub fn new(key: TenantKey, writer: impl Into<String>, published: Vec<Head>) -> Self {
        Self {
            key,
            writer: writer.into(),
            seq: 0,
            last: Some(Mac::NONE),
            last_id: i64::MIN,
            reference: None,
            published,
            suspects: Vec::new(),
            places: Vec::new(),
            befores: Vec::new(),
            verified: 0,
            findings: Vec::new(),
        }
    }

    /// The chain begins after this head, because what was in front of it was given up.
    #[must_use]
    pub fn after(mut self, floor: &Head) -> Self {
        self.seq = floor.seq;
        self.last = Some(floor.mac);
        self
    }

    /// The next row.
    pub fn push(&mut self, row: StoredCompletion) {
        let Some(mac) = row.mac.filter(|_| row.seq > 0) else {
            self.findings.push(inserted(&row));
            return;
        };
        if row.seq <= self.seq {
            // The number is taken. Whichever of the two is right, is in the chain already or is a
            // suspect; a copy of a right one is one too many all the same.
            self.befores.push(mac);
            self.suspects.push(row);
            return;
        }
        if row.seq > self.seq + 1 {
            self.findings.push(Finding::Removed {
                writer: self.writer.clone(),
                from: self.seq + 1,
                to: row.seq - 1,
                after: self.reference.clone(),
            });
            self.last = None;
        }
        let before = self.last;
        self.seq = row.seq;
        self.last = Some(mac);
        self.reference = Some(row.record.reference.clone());
        self.published.retain(|head| {
            let here = head.seq == row.seq;
            if here && !head.mac.matches(&mac) {
                self.findings.push(Finding::Rewritten {
                    writer: head.writer.clone(),
                    published: head.seq,
                });
            }
            !here
        });
        let Some(before) = before else {
            self.findings.push(Finding::Loose {
                id: row.id,
                reference: row.record.reference,
            });
            self.last_id = self.last_id.max(row.id);
            return;
        };
        let expected = row.record.mac(&self.key, &self.writer, row.seq, &before);
        if !mac.matches(&expected) {
            self.places.push(row.seq);
            self.befores.extend([before, mac, expected]);
            self.suspects.push(row);
            return;
        }
        self.verified += 1;
        if row.id < self.last_id {
            self.findings.push(Finding::Moved {
                id: row.id,
                reference: row.record.reference,
                now: row.seq,
                was: None,
            });
        }
        self.last_id = self.last_id.max(row.id);
    }

    /// How many records are as they were written, and what is not.
    #[must_use]
    pub fn finish(mut self) -> (u64, Vec<Finding>) {
        let suspects = std::mem::take(&mut self.suspects);
        for row in &suspects {
            match self.explain(row, suspects.len()) {
                Some(finding) => self.findings.push(finding),
                None => self.verified += 1,
            }
        }
        for head in std::mem::take(&mut self.published) {
            if head.seq > self.seq {
                self.findings.push(Finding::Cut {
                    writer: self.writer.clone(),
                    last: self.seq,
                    published: head.seq,
                });
            }
        }
        (self.verified, self.findings)
    }

    /// A suspect that fits its own place after another record is right, and that one is not; if it
    /// fits another suspect's place, it was moved; if its number is another row's, it was inserted.
    fn explain(&self, row: &StoredCompletion, suspects: usize) -> Option<Finding> {
        let reference = row.record.reference.clone();
        let own = self.places.contains(&row.seq);
        let mut places = self.places.clone();
        // Its own place first: what is right in itself was not moved.
        places.sort_unstable_by_key(|seq| *seq != row.seq);
        let fitting = |seq: &&i64| {
            let mac = |before| row.record.mac(&self.key, &self.writer, **seq, before);
            let mut befores = self.befores.iter();
            befores.any(|before| row.mac.is_some_and(|found| found.matches(&mac(before))))
        };
        let was = match suspects <= MOST_SUSPECTS {
            true => places.iter().find(fitting),
            false => None,
        };
        match (was, own) {
            (Some(was), true) if *was == row.seq => None,
            (Some(was), _) if *was != row.seq => Some(Finding::Moved {
                id: row.id,
                reference,
                now: row.seq,
                was: Some(*was),
            }),
            (_, true) => Some(Finding::Changed {
                id: row.id,
                reference,
            }),
            (_, false) => Some(inserted(row)),
        }
    }
}

fn inserted(row: &StoredCompletion) -> Finding {
    Finding::Inserted {
        id: row.id,
        reference: row.record.reference.clone(),
    }
}

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

/// Compares the effects of calls with what the calls say, call by call.
#[derive(Debug)]
pub struct CallVerifier {
    key: TenantKey,
    verified: u64,
    unsealed: u64,
    findings: Vec<Finding>,
}

impl CallVerifier {
    /// For one tenant's trail.
    #[must_use]
    pub const fn new(key: TenantKey) -> Self {
        Self {
            key,
            verified: 0,
            unsealed: 0,
            findings: Vec::new(),
        }
    }

    /// All effects of one reference, and what each record of a call with that reference says: how
    /// many writes committed, and of how many nobody knows. Empty if no record of the call is there.
    pub fn push(&mut self, reference: &str, effects: &[StoredEffect], said: &[(i32, i32)]) {
        let total = |number: fn(&(i32, i32)) -> i32| -> u64 {
            said.iter()
                .map(|said| u64::try_from(number(said)).unwrap_or_default())
                .sum()
        };
        let (certain, uncertain) = (total(|said| said.0), total(|said| said.1));
        // Two calls of one reference count their writes by themselves.
        let copies = said.len().max(1);
        let most = match said {
            [] => u64::MAX,
            _ => certain.saturating_add(uncertain),
        };
        let mut seen: Vec<i32> = Vec::new();
        for effect in effects {
            let id = effect.id;
            let reference = effect.record.reference.clone();
            let expected = effect.record.mac(&self.key);
            let ordinal = effect.record.ordinal;
            let before = seen.iter().filter(|seen| **seen == ordinal).count();
            match effect.mac {
                Some(mac) if !mac.matches(&expected) => {
                    self.findings.push(Finding::Changed { id, reference });
                }
                Some(_) if before < copies && (seen.len() as u64) < most => seen.push(ordinal),
                _ => self.findings.push(Finding::Inserted { id, reference }),
            }
        }
        let found = seen.len() as u64;
        self.verified += found;
        if said.is_empty() {
            self.unsealed += found;
        } else if found < certain {
            self.findings.push(Finding::EffectRemoved {
                reference: reference.to_owned(),
                said: certain,
                found,
            });
        }
    }

    /// How many effects are as they were written; how many of those belong to a call that left no
    /// record, because its process ended first or it is still under way; and what is wrong.
    #[must_use]
    pub fn finish(self) -> (u64, u64, Vec<Finding>) {
        (self.verified, self.unsealed, self.findings)
    }
}
