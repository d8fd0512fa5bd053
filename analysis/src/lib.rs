//! Proves that SQL statements stay within one tenant.
//!
//! Pure: text and ranges in, a proof or diagnostics out. No I/O, no async, no proc-macro types, no
//! panics. What is not understood is a diagnostic, never "proved".

pub mod ir;
