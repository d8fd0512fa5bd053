//! The intermediate form of a query or data change: what the prover reads.
//!
//! `lower` builds it from the parser's raw tree and refuses whatever has no place here, so every
//! later stage matches exhaustively over a closed set. Names are as PostgreSQL folds them; ranges
//! are byte offsets into the statement text as it is sent. Nothing here is resolved yet.

mod change;
mod expr;
mod query;

use std::ops::Range;

pub use change::*;
pub use expr::*;
pub use query::*;

/// Byte offsets into the statement's text, used for carets.
pub type Span = Range<usize>;

/// A possibly qualified name, folded as the server folds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The parts from the outermost qualifier to the object itself. Never empty.
    pub parts: Vec<String>,
    /// Where the name stands.
    pub span: Span,
}

/// One statement: exactly the kinds that can be proved.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `TABLE t`, set operations.
    Query(Box<Query>),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE`.
    Delete(Box<Delete>),
    /// `MERGE`.
    Merge(Box<Merge>),
}
