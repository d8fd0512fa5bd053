//! The database: pools, scopes, migrations and the gate that a pool passes before it opens.
//!
//! Invariant: one transaction, one tenant. No connection is handed out, and none goes back to its
//! pool, unless this module knows what state it is in.

mod begin;
mod cause;
mod connections;
mod error;
mod gate;
mod guard;
mod health;
mod migrate;
mod pool;
mod pooler;
mod scope;
mod slots;
mod system;

pub use connections::PoolError;
pub use error::{DbError, DbErrorKind, DbResult};
pub use gate::{Finding, Findings};
pub use health::Health;
pub use migrate::{Migrate, MigrateError, migrate};
pub use pool::{TenantPool, TenantPoolBuilder};
pub use pooler::Pooler;
pub use scope::{Scope, WriteScope};
pub use system::{SystemPool, SystemPoolBuilder, SystemScope};

pub(crate) use begin::push_text;
pub(crate) use cause::{told, whole};
pub(crate) use scope::Tx;

#[cfg(test)]
mod tests;
