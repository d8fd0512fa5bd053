//! Recipes for work that has no tenant yet, or that is for all of them. Each file is one, and
//! `tests/recipes.rs` runs it on a PostgreSQL:
//!
//! - [`login`]: an API key names its tenant.
//! - [`domains`]: which organisation somebody with a verified e-mail address belongs to.
//! - [`provision`]: a new tenant, all of it or nothing.
//! - [`off_board`]: a tenant leaves, and nothing of it stays.
//! - [`nightly`]: a job over all tenants.
//!
//! What they have in common: the system pool's role reads and writes the tables that it was granted,
//! each statement names its tables and its reason, and what belongs to a tenant is done in that
//! tenant's own scope, under row-level security.

pub mod domains;
pub mod login;
pub mod nightly;
pub mod off_board;
pub mod provision;
