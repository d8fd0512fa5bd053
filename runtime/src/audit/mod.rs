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
//! audit verify`. What that can't find: records that were never written, because a process ended
//! within [`AuditLimits::delay`] of a call (a write has its own record nevertheless); a cut-off end,
//! unless heads are published to an [`AuditAnchor`]; and what somebody with the key writes anew,
//! unless a head of before was published.

mod anchor;
mod arguments;
mod chains;
mod options;
mod origin;
mod record;
mod schema;
mod trail;
mod writer;

pub use anchor::{AuditAnchor, FileAnchor, Head};
pub(crate) use arguments::{kept, shortened};
pub use options::{AuditArguments, AuditLimits, AuditOptions};
pub(crate) use origin::{Effect, Origin};
pub use record::{AuditRecord, Outcome};
pub(crate) use schema::{SCHEMA, SYSTEM_GRANT};
pub use trail::AuditEntry;
pub use watertight_audit::{AuditKey, InvalidAuditKey};
pub use writer::AuditWriter;
