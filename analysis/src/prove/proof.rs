//! The result of a proof: flat data, for macros, reports and the lock file.

use std::ops::Range;

/// Why a statement stays within its tenant.
#[derive(Clone, Debug)]
#[must_use]
#[non_exhaustive]
pub struct Proof {
    /// What the statement is.
    pub kind: StatementKind,
    /// Whether it writes or locks, in any part.
    pub writes: bool,
    /// What carries the proof.
    pub grade: Grade,
    /// Every occurrence of a relation, in the order of the text.
    pub occurrences: Vec<Occurrence>,
    /// The columns of the result, when all of them are known; absent when it has none or a name
    /// list can't be told.
    pub columns: Option<Vec<OutputColumn>>,
    /// Whether the statement returns rows.
    pub returns_rows: bool,
    /// The relations that it touches, schema-qualified, each once; those of views and function
    /// bodies included.
    pub relations: Vec<String>,
    /// The caller's parameters that stand somewhere without a cast, by number. There the client says
    /// which type they have: a float beside a `numeric` column casts the column, which fails on a
    /// value out of range, so under the grade `predicate` a float has to be cast (`$n::numeric`).
    pub uncast: Vec<u32>,
    /// The caller's parameters for which no text may be sent, by number: they are cast where a row asks
    /// for the value (`CASE WHEN … THEN $at::timestamptz`), to a type that reads texts as the session
    /// is set. The client says which type a parameter has; a text that is no such value would fail for
    /// that row alone, whoever's it is. Those that the planner computes as well fail before any row, and
    /// are not listed.
    pub untexted: Vec<u32>,
    /// How many parameters the text that is sent has, `$tenant` included.
    pub parameters: usize,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// `SELECT`, `VALUES`, `TABLE`.
    Query,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
}

/// What carries a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// The statement's own filter. Weaker: without row-level security the planner may evaluate
    /// another condition first.
    Predicate,
    /// Row-level security of the database itself, for every occurrence.
    Rls,
}

/// One occurrence of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Occurrence {
    /// The relation, schema-qualified.
    pub relation: String,
    /// Its name in the statement's source; absent inside of a view or a function body.
    pub span: Option<Range<usize>>,
    /// Why it is fine, in one word: `protected`, `pinned`, `global`.
    pub class: &'static str,
    /// The derivation, for people.
    pub reasons: Vec<String>,
}

/// One column of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputColumn {
    /// Its name.
    pub name: Option<String>,
    /// Whether it is computed from a tenant column or the tenant itself.
    pub from_tenant: bool,
    /// Its expression in the select list of the source, or the `*` that stands for it; absent
    /// where it has none, as in `VALUES`.
    pub span: Option<Range<usize>>,
    /// Whether a `*` stands for it.
    pub star: bool,
}
