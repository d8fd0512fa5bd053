//! Execution of proved statements: what the macros expand to.
//!
//! Invariant: the only way from user code to a tenant's connection, and every way through it sends
//! the text of a [`Statement`] and no other.

mod catalog;
mod proof;

pub use catalog::{Catalog, Migration, Policy, Relation, RelationKind, Settings, TenantKind};
pub use proof::Statement;
