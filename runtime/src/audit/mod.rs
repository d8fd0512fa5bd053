//! The audit trail: who called what, for which tenant, and how it ended.
//!
//! Two records share a reference: the *effect*, committed together with a write, and the
//! *completion* of the call, written in batches. Both live in a table under row-level security.
//!
//! Invariant: a tenant's records are written in that tenant's own scope, so that the application
//! role can neither write nor read another tenant's trail.

mod origin;
mod record;
mod schema;
mod trail;
mod writer;

pub(crate) use origin::Origin;
pub use record::{AuditRecord, Outcome};
pub(crate) use schema::{SCHEMA, SYSTEM_GRANT};
pub use trail::AuditEntry;
pub use writer::{AuditLimits, AuditWriter};
