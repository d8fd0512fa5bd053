//! Linking records: what a writer does.
//!
//! Invariant: a number is given once. A writer that can't tell whether a record was stored begins
//! another chain rather than giving its number again.

use serde::{Deserialize, Serialize};

use crate::canonical::Completion;
use crate::key::{Mac, TenantKey};

/// One writer's chain in one tenant's trail. Cloning it is how a writer tries a batch.
#[derive(Clone, Debug)]
pub struct Chain {
    key: TenantKey,
    writer: String,
    seq: i64,
    last: Mac,
    recorded_at: i64,
}

/// The place of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The chain.
    pub writer: String,
    /// The number in it, from 1, without gaps.
    pub seq: i64,
    /// Over the record, its number and the MAC before it.
    pub mac: Mac,
}

/// The newest record of a chain. Kept somewhere else, it shows that the end has been cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The tenant in whose trail the chain is.
    pub tenant: String,
    /// The chain.
    pub writer: String,
    /// How many records it has.
    pub seq: i64,
    /// The MAC of the newest.
    pub mac: Mac,
    /// When the newest was stored, in microseconds since 1970, where that is known.
    #[serde(default)]
    pub recorded_at: Option<i64>,
}

/// What was given up of a chain on purpose: everything up to its head, and every record of the
/// tenant that was stored before a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The last record that was given up.
    pub head: Head,
    /// In microseconds since 1970.
    pub before: i64,
}

impl Floor {
    /// What shows that a holder of the key has given it up.
    #[must_use]
    pub fn proof(&self, key: &TenantKey) -> Mac {
        key.mac("watertight audit floor v1", |part| {
            part(self.head.writer.as_bytes());
            part(&self.head.seq.to_be_bytes());
            part(self.head.mac.as_bytes());
            part(&self.before.to_be_bytes());
        })
    }

    /// The same for a tenant whose trail was erased: `before` is when.
    #[must_use]
    pub fn tombstone(&self, key: &TenantKey) -> Mac {
        key.mac("watertight audit tombstone v1", |part| {
            part(self.proof(key).as_bytes());
        })
    }
}

impl Chain {
    /// An empty chain. `writer` must be new: random, and given to no other chain.
    #[must_use]
    pub fn new(key: TenantKey, writer: impl Into<String>) -> Self {
        Self {
            key,
            writer: writer.into(),
            seq: 0,
            last: Mac::NONE,
            recorded_at: 0,
        }
    }

    /// Gives the record the next place.
    pub fn link(&mut self, record: &Completion) -> Link {
        self.seq += 1;
        self.recorded_at = record.recorded_at;
        self.last = record.mac(&self.key, &self.writer, self.seq, &self.last);
        Link {
            writer: self.writer.clone(),
            seq: self.seq,
            mac: self.last,
        }
    }

    /// The newest record, to be kept elsewhere; `None` if there is none yet.
    #[must_use]
    pub fn head(&self, tenant: &str) -> Option<Head> {
        (self.seq > 0).then(|| Head {
            tenant: tenant.to_owned(),
            writer: self.writer.clone(),
            seq: self.seq,
            mac: self.last,
            recorded_at: Some(self.recorded_at),
        })
    }
}
