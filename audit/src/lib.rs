//! The chain of an audit trail: what a record is byte for byte, how it is linked to the one before,
//! and what is found when somebody has been at the table.
//!
//! Each process that writes a tenant's trail has a chain of its own there, so that nobody waits for
//! a lock: numbers without gaps, and a MAC (HMAC-SHA-256, RFC 2104) over the number, the record and
//! the MAC before it, under a key that the database never sees. The effect of a write commits with
//! the write, long before anything is known of the call; it has a MAC by itself, and the record of
//! the call says which effects there are.
//!
//! A chain names its key. Processes under another key begin chains of their own, and a [`KeyRing`] has the
//! keys that a trail was written under.
//!
//! Invariant: pure; no clock, no random numbers, no database.

mod calls;
mod canonical;
mod chain;
mod finding;
mod key;
mod ring;
mod verify;

pub use calls::{CallVerifier, Calls, Said, StoredEffect};
pub use canonical::{Completion, Effect, ordinals};
pub use chain::{Chain, Floor, Head, Link};
pub use finding::{Finding, Shown};
pub use key::{AuditKey, ERASED, InvalidAuditKey, Mac, TenantKey};
pub use ring::{KeyId, KeyRing, RingKey, TenantRing};
pub use verify::{ChainVerifier, Newest, StoredCompletion};

/// The SQL that adds the partitions of the months to come to `watertight.audit`, as its owner.
/// `{application_role}` is to be replaced by the quoted name of the role that tools log in as.
pub const PARTITIONS: &str = include_str!("partitions.sql");
