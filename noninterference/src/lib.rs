//! Non-interference against a real PostgreSQL: what the prover accepts is run for one tenant on two
//! databases that differ only in other tenants' rows, and must answer the same and leave those rows
//! untouched.
//!
//! Invariant: every schema and statement follows from a seed and two numbers, so that a difference
//! can be reproduced and made smaller.

pub mod choice;
pub mod coverage;
pub mod judge;
pub mod observe;
pub mod report;
pub mod run;
pub mod schema;
pub mod server;
pub mod shrink;
pub mod statement;
