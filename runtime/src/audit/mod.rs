//! The audit trail: who called what, for which tenant, and how it ended.
//!
//! Two records share a reference: the *effect*, committed together with a write, and the
//! *completion* of the call, written in batches. Both live in a table under row-level security.
//!
//! Invariant: a tenant's records are written in that tenant's own scope, so that the application
//! role can neither write nor read another tenant's trail.
//!
//! With a key ([`AuditOptions::key`]) the records of each process are a chain in each tenant's trail.
//! Whoever changes, removes, inserts or reorders records in the table is found by `cargo watertight
//! audit verify`. What that can't find:
//!
//! - records that were never written, because a process ended while they were in its queue (a write
//!   has its own record nevertheless; see [`AuditLimits`] for how many);
//! - the removal of an effect whose completion is not in the table, or says that nobody knows
//!   whether it committed: effects are in no chain, the completion counts them by their ordinals;
//! - a cut-off end, unless heads are published to an [`AuditAnchor`]: then what came after the last
//!   head that was published before a crash;
//! - what somebody with the key writes anew, unless a head of before was published;
//! - of an earlier key: what whoever has it, and owns the tables, dates back to its time;
//! - what is done to `watertight.system_audit`, the records of work without a tenant: it has no chain.

mod anchor;
mod arguments;
mod backlog;
mod by_hand;
mod chains;
mod hurry;
mod options;
mod origin;
mod pending;
mod publisher;
mod record;
mod schema;
mod task;
mod trail;
mod writer;

pub use anchor::{AuditAnchor, FileAnchor, Head};
pub(crate) use arguments::{kept, shortened};
pub(crate) use by_hand::{ByHand, HandWriter};
pub use options::{AuditArguments, AuditLimits, AuditOptions};
pub(crate) use origin::{Effect, Origin, Work};
pub use record::{AuditRecord, Outcome};
pub(crate) use schema::{SCHEMA, SYSTEM_GRANT};
pub use trail::AuditEntry;
pub use watertight_audit::{AuditKey, InvalidAuditKey, KeyId};
pub use writer::AuditWriter;
