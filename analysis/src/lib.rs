//! Proves that SQL statements stay within one tenant.
//!
//! Pure: text and ranges in, a proof or diagnostics out. No I/O, no async, no proc-macro types, no
//! panics. What is not understood is a diagnostic, never "proved".

pub mod catalog;
mod codes;
pub mod config;
mod ddl;
pub mod diagnostic;
pub mod explain;
pub mod finding;
mod functions;
pub mod ir;
mod lower;
pub mod migrations;
mod parse;
pub mod policy;
pub mod posture;
pub mod prepare;
pub mod prove;
pub mod render;
pub mod schema_walk;
pub mod script;
pub mod snapshot;
pub mod template;
pub mod uri_template;
pub mod words;
mod worker;

pub use catalog::Catalog;
pub use config::Config;
pub use diagnostic::{Code, Diagnostic, Severity};
pub use prepare::{Prepared, TenantBinding, prepare};
pub use prove::{Proof, prove};
pub use render::render;
pub use worker::on_kept_worker;
