//! The database: pools, scopes, migrations and the gate that a pool passes before it opens.
//!
//! Invariant: one transaction, one tenant. No connection is handed out, and none goes back to its
//! pool, unless this module knows what state it is in.

mod begin;
mod error;
mod guard;
mod pool;
mod scope;

pub use error::{DbError, DbErrorKind, DbResult};
pub use pool::{PoolError, TenantPool, TenantPoolBuilder};
pub use scope::{Scope, WriteScope};

pub(crate) use scope::InFlight;
