//! Verification: what a chain says about the table.
//!
//! Invariant: a record is good only if its MAC is. What can't be verified is reported, and the rest
//! goes on from there.

use std::collections::HashSet;

use crate::canonical::Completion;
use crate::chain::{Floor, Head};
use crate::finding::Finding;
use crate::key::{Mac, TenantKey};
use crate::ring::RingKey;

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

/// Up to where a chain is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The number of the record.
    pub seq: i64,
    /// Its MAC.
    pub mac: Mac,
    /// When it was stored, in microseconds since 1970; `None` for a floor.
    pub recorded_at: Option<i64>,
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
    places: HashSet<i64>,
    /// MACs that a record near a suspect may have been made with.
    befores: Vec<Mac>,
    /// There were too many suspects to find out about each.
    crowded: bool,
    /// The last record whose MAC was right where it stood.
    newest: Option<Newest>,
    /// The same key with its end, if it has one.
    retired: Option<RingKey>,
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
            places: HashSet::new(),
            newest: None,
            befores: Vec::new(),
            crowded: false,
            retired: None,
            verified: 0,
            findings: Vec::new(),
        }
    }

    /// The same under a key of several, which may have an end.
    #[must_use]
    pub fn under(key: &RingKey, writer: impl Into<String>, published: Vec<Head>) -> Self {
        let mut chain = Self::new(key.key.clone(), writer, published);
        chain.retired = key.until.is_some().then(|| key.clone());
        chain
    }

    /// The chain begins after this floor, because what was in front of it was given up. What was
    /// published below can't be looked at any more; it must have been older than what was given up.
    #[must_use]
    pub fn after(mut self, floor: &Floor) -> Self {
        self.seq = floor.head.seq;
        self.last = Some(floor.head.mac);
        self.newest = Some(Newest {
            seq: floor.head.seq,
            mac: floor.head.mac,
            recorded_at: None,
        });
        self.published.retain(|head| {
            let below = head.seq <= floor.head.seq;
            if below && head.recorded_at.is_some_and(|at| at >= floor.before) {
                self.findings.push(Finding::GivenUp {
                    writer: head.writer.clone(),
                    published: head.seq,
                });
            }
            !below
        });
        self
    }

    /// The last record that is good where it stands, or the floor. Only
    /// this may become a floor: whoever has no key can write any number and any MAC.
    #[must_use]
    pub const fn newest(&self) -> Option<Newest> {
        self.newest
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
            self.suspect(row, &[mac]);
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
            self.places.insert(row.seq);
            self.suspect(row, &[before, mac, expected]);
            return;
        }
        let at = row.record.recorded_at;
        if self
            .retired
            .as_ref()
            .is_some_and(|it| it.is_past(row.id, at))
        {
            self.findings.push(Finding::Retired {
                id: row.id,
                reference: row.record.reference,
            });
            return;
        }
        self.newest = Some(Newest {
            seq: row.seq,
            mac,
            recorded_at: Some(at),
        });
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

    /// Keeps a row until the end tells why it is not right; of too many nobody finds out.
    fn suspect(&mut self, row: StoredCompletion, befores: &[Mac]) {
        self.suspects.push(row);
        match self.suspects.len() <= MOST_SUSPECTS && !self.crowded {
            true => self.befores.extend(befores),
            false => {
                self.crowded = true;
                for row in std::mem::take(&mut self.suspects) {
                    self.findings.push(self.plain(&row));
                }
            }
        }
    }

    /// How many records are as they were written, and what is not.
    #[must_use]
    pub fn finish(mut self) -> (u64, Vec<Finding>) {
        let suspects = std::mem::take(&mut self.suspects);
        for row in &suspects {
            match self.explain(row) {
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
    fn explain(&self, row: &StoredCompletion) -> Option<Finding> {
        let mut places: Vec<i64> = self.places.iter().copied().collect();
        // Its own place first: what is right in itself was not moved.
        places.sort_unstable_by_key(|seq| (*seq != row.seq, *seq));
        let fitting = |seq: &&i64| {
            let mac = |before| row.record.mac(&self.key, &self.writer, **seq, before);
            let mut befores = self.befores.iter();
            befores.any(|before| row.mac.is_some_and(|found| found.matches(&mac(before))))
        };
        match places.iter().find(fitting) {
            Some(was) if *was == row.seq => None,
            Some(was) => Some(Finding::Moved {
                id: row.id,
                reference: row.record.reference.clone(),
                now: row.seq,
                was: Some(*was),
            }),
            None => Some(self.plain(row)),
        }
    }

    /// What a row is that fits nowhere.
    fn plain(&self, row: &StoredCompletion) -> Finding {
        match self.places.contains(&row.seq) {
            true => Finding::Changed {
                id: row.id,
                reference: row.record.reference.clone(),
            },
            false => inserted(row),
        }
    }
}

fn inserted(row: &StoredCompletion) -> Finding {
    Finding::Inserted {
        id: row.id,
        reference: row.record.reference.clone(),
    }
}
