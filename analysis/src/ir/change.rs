//! Data changes: `INSERT`, `UPDATE`, `DELETE`, `MERGE`.

use super::{Expr, FromItem, Query, RelationRef, Span, Target, With};

/// `INSERT`.
#[derive(Clone, Debug)]
pub struct Insert {
    /// `WITH`.
    pub with: Option<With>,
    /// The target.
    pub target: RelationRef,
    /// The target columns; absent means all of them in order.
    pub columns: Vec<InsertColumn>,
    /// The source; `None` is `DEFAULT VALUES`.
    pub source: Option<Box<Query>>,
    /// `OVERRIDING USER VALUE`: what is given for identity columns is ignored.
    pub overriding_user: bool,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Vec<Target>,
    /// Where it stands.
    pub span: Span,
}

/// A column of an INSERT's list or the left side of an assignment.
#[derive(Clone, Debug)]
pub struct InsertColumn {
    /// The column.
    pub name: String,
    /// Whether only a part of it is given (`col.field`, `col[1]`).
    pub partial: bool,
    /// Expressions of subscripts.
    pub subscripts: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `ON CONFLICT`.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The index to infer.
    pub target: Option<ConflictTarget>,
    /// `DO NOTHING` is `None`.
    pub update: Option<ConflictUpdate>,
    /// Where it stands.
    pub span: Span,
}

/// What an `ON CONFLICT` infers.
#[derive(Clone, Debug)]
pub enum ConflictTarget {
    /// Columns or expressions, with the predicate of a partial index.
    Columns {
        /// The elements.
        elements: Vec<Expr>,
        /// `WHERE`.
        filter: Option<Expr>,
    },
    /// `ON CONSTRAINT name`.
    Constraint(String),
}

/// `DO UPDATE`.
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `WHERE`.
    pub filter: Option<Expr>,
}

/// `SET a = …`, `SET (a, b) = …`.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The columns that are set.
    pub columns: Vec<InsertColumn>,
    /// The value: a row, or a sub-query with as many columns, when there are several.
    pub value: Expr,
}

/// `UPDATE`.
#[derive(Clone, Debug)]
pub struct Update {
    /// `WITH`.
    pub with: Option<With>,
    /// The target.
    pub target: RelationRef,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<FromItem>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `RETURNING`.
    pub returning: Vec<Target>,
    /// Where it stands.
    pub span: Span,
}

/// `DELETE`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// `WITH`.
    pub with: Option<With>,
    /// The target.
    pub target: RelationRef,
    /// `USING`.
    pub using: Vec<FromItem>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `RETURNING`.
    pub returning: Vec<Target>,
    /// Where it stands.
    pub span: Span,
}

/// `MERGE`.
#[derive(Clone, Debug)]
pub struct Merge {
    /// `WITH`.
    pub with: Option<With>,
    /// The target.
    pub target: RelationRef,
    /// `USING`.
    pub source: FromItem,
    /// `ON`.
    pub on: Expr,
    /// The branches in order.
    pub branches: Vec<MergeBranch>,
    /// `RETURNING`.
    pub returning: Vec<Target>,
    /// Where it stands.
    pub span: Span,
}

/// `WHEN [NOT] MATCHED … THEN …`.
#[derive(Clone, Debug)]
pub struct MergeBranch {
    /// Which rows it is for.
    pub matched: MergeMatch,
    /// `AND condition`.
    pub condition: Option<Expr>,
    /// What is done.
    pub action: MergeAction,
    /// Where it stands.
    pub span: Span,
}

/// Which rows a branch of a MERGE is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeMatch {
    /// `WHEN MATCHED`
    Matched,
    /// `WHEN NOT MATCHED [BY TARGET]`
    NotMatchedByTarget,
    /// `WHEN NOT MATCHED BY SOURCE`
    NotMatchedBySource,
}

/// What a branch of a MERGE does.
#[derive(Clone, Debug)]
pub enum MergeAction {
    /// `DO NOTHING`
    Nothing,
    /// `DELETE`
    Delete,
    /// `UPDATE SET`
    Update(Vec<Assignment>),
    /// `INSERT (columns) VALUES (…)`; `None` is `DEFAULT VALUES`.
    Insert {
        /// The columns; empty means all in order.
        columns: Vec<InsertColumn>,
        /// The values.
        values: Option<Vec<Expr>>,
    },
}
