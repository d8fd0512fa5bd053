//! What each identity was answered when nobody else asked.
//!
//! Invariant: an atom is stable only if every answer to its question had it; the other's leftovers in
//! one answer never become the identity's own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::scan::ask::{Ask, Seen};
use crate::scan::atoms::{Atoms, common, named};
use crate::scan::known::Known;

/// How many values are kept for arguments.
const MOST_KNOWN: usize = 3000;
/// How large a content is kept whole.
const LARGEST: usize = 64 * 1024;

/// One identity's own answers.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) answers: BTreeMap<Ask, Vec<Seen>>,
    pub(crate) known: Vec<Known>,
}

impl Memory {
    /// Keeps an answer that came while nobody else asked.
    pub(crate) fn keep(&mut self, ask: &Ask, mut seen: Seen) {
        if let Ok(content) = &seen.content {
            let first = !self.answers.contains_key(ask);
            // What is offered is no row.
            let rows = !matches!(ask, Ask::List { .. });
            if first && rows && self.known.len() < MOST_KNOWN {
                let source = ask.words();
                let known = named(content).into_iter().map(|named| Known {
                    named,
                    source: source.clone(),
                });
                self.known.extend(known.take(500));
            }
            let text = content.to_string();
            if text.len() > LARGEST {
                // Known again by its hash.
                let hash = Sha256::digest(text.as_bytes());
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                seen.content = Ok(Value::from(hash));
                seen.raw = Value::Null;
            }
        }
        self.answers.entry(ask.clone()).or_default().push(seen);
    }

    /// Whether every answer to it was one.
    pub(crate) fn succeeded(&self, ask: &Ask) -> bool {
        let all = |list: &Vec<Seen>| !list.is_empty() && list.iter().all(|it| it.content.is_ok());
        self.answers.get(ask).is_some_and(all)
    }

    /// What every answer to it had.
    pub(crate) fn stable(&self, ask: &Ask) -> Atoms {
        let Some((first, rest)) = self.answers.get(ask).and_then(|it| it.split_first()) else {
            return Atoms::new();
        };
        rest.iter()
            .fold(first.atoms.clone(), |kept, seen| common(&kept, &seen.atoms))
    }

    /// What any answer to it had.
    pub(crate) fn ever(&self, ask: &Ask) -> BTreeSet<String> {
        let answers = self.answers.get(ask).into_iter().flatten();
        answers.flat_map(|it| it.atoms.keys().cloned()).collect()
    }

    /// What is stable somewhere.
    pub(crate) fn own(&self) -> Atoms {
        let mut own = Atoms::new();
        for ask in self.answers.keys() {
            own.extend(self.stable(ask));
        }
        own
    }

    /// The question whose answers hold all of these.
    pub(crate) fn source_of(&self, atoms: &Atoms) -> Option<Ask> {
        let asks = self.answers.keys().filter(|ask| self.succeeded(ask));
        asks.max_by_key(|ask| common(atoms, &self.stable(ask)).len())
            .cloned()
    }

    /// The first answer to it.
    pub(crate) fn first(&self, ask: &Ask) -> Option<&Seen> {
        self.answers.get(ask)?.first()
    }
}
