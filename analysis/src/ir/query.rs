//! Queries: `SELECT`, `VALUES`, set operations, `WITH`, and the items of a `FROM`.

use super::{Expr, Name, Span, Statement, TypeName};

/// A query with its `WITH`, ordering and limits.
#[derive(Clone, Debug)]
pub struct Query {
    /// The `WITH` clause.
    pub with: Option<With>,
    /// What is selected.
    pub body: QueryBody,
    /// `ORDER BY`.
    pub order_by: Vec<OrderBy>,
    /// `LIMIT`/`FETCH FIRST`.
    pub limit: Option<Expr>,
    /// Whether rows that tie with the last one come as well.
    pub with_ties: bool,
    /// `OFFSET`.
    pub offset: Option<Expr>,
    /// `FOR UPDATE` and its kin; any of them makes the statement a write.
    pub locking: Vec<Locking>,
    /// The whole query.
    pub span: Span,
}

/// The body of a query.
#[derive(Clone, Debug)]
pub enum QueryBody {
    /// One `SELECT` block.
    Select(Box<Select>),
    /// `VALUES`.
    Values(Vec<Vec<Expr>>),
    /// `UNION`, `INTERSECT`, `EXCEPT`; each arm is a query of its own.
    SetOperation {
        /// Which operation.
        operator: SetOperator,
        /// Whether `ALL` was given.
        all: bool,
        /// The left arm.
        left: Box<Query>,
        /// The right arm.
        right: Box<Query>,
    },
}

/// The operation between two arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// `UNION`
    Union,
    /// `INTERSECT`
    Intersect,
    /// `EXCEPT`
    Except,
}

/// One `SELECT` block.
#[derive(Clone, Debug)]
pub struct Select {
    /// `DISTINCT` or `DISTINCT ON (…)`.
    pub distinct: Option<Vec<Expr>>,
    /// The select list.
    pub targets: Vec<Target>,
    /// `FROM`, items separated by commas.
    pub from: Vec<FromItem>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`, grouping sets included, as the flat list of their expressions.
    pub group_by: Vec<Expr>,
    /// Whether there are grouping sets (`ROLLUP`, `CUBE`, `GROUPING SETS`), which make grouped
    /// columns NULL.
    pub grouping_sets: bool,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW`.
    pub windows: Vec<Window>,
}

/// One item of a select list or a `RETURNING`.
#[derive(Clone, Debug)]
pub struct Target {
    /// The value; a star is an [`ExprKind::Star`](super::ExprKind::Star).
    pub expr: Expr,
    /// `AS alias`.
    pub alias: Option<String>,
    /// Where the item stands.
    pub span: Span,
}

/// `WITH`.
#[derive(Clone, Debug)]
pub struct With {
    /// Whether `RECURSIVE` was written.
    pub recursive: bool,
    /// The common table expressions in order.
    pub ctes: Vec<Cte>,
}

/// One common table expression.
#[derive(Clone, Debug)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// `name (a, b)`.
    pub columns: Vec<String>,
    /// `AS MATERIALIZED`, which keeps conditions of the reader out.
    pub materialized: bool,
    /// `AS NOT MATERIALIZED`, which lets them in.
    pub inlined: bool,
    /// Its statement; data-modifying ones are allowed at the top level only.
    pub statement: Statement,
    /// Columns that `SEARCH` and `CYCLE` add, in order.
    pub added_columns: Vec<String>,
    /// The values that a `CYCLE` clause names.
    pub cycle_values: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// An item of a `FROM`.
#[derive(Clone, Debug)]
pub enum FromItem {
    /// A name: a table, a view or a common table expression.
    Relation(RelationRef),
    /// `(SELECT …) alias`.
    Subquery {
        /// Whether `LATERAL` was written.
        lateral: bool,
        /// The query.
        query: Box<Query>,
        /// Its alias.
        alias: Option<Alias>,
        /// Where it stands.
        span: Span,
    },
    /// Functions in `FROM`, `ROWS FROM` included. Implicitly lateral.
    Function {
        /// Each call, with its column definition list.
        calls: Vec<FunctionItem>,
        /// `WITH ORDINALITY`.
        ordinality: bool,
        /// The alias of the whole item.
        alias: Option<Alias>,
        /// Where it stands.
        span: Span,
    },
    /// A join.
    Join(Box<Join>),
}

impl FromItem {
    /// Where the item stands.
    pub fn span(&self) -> &Span {
        match self {
            FromItem::Relation(relation) => &relation.name.span,
            FromItem::Subquery { span, .. } | FromItem::Function { span, .. } => span,
            FromItem::Join(join) => &join.span,
        }
    }
}

/// A call in `FROM`.
#[derive(Clone, Debug)]
pub struct FunctionItem {
    /// The call; what the grammar makes of `COALESCE` and its kin is possible too.
    pub expr: Expr,
    /// `AS (name type, …)`.
    pub columns: Vec<ColumnDefinition>,
}

/// A column of a column definition list.
#[derive(Clone, Debug)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeName,
}

/// `TABLESAMPLE method (arguments) REPEATABLE (seed)`.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The method.
    pub method: Name,
    /// The arguments and the seed.
    pub args: Vec<Expr>,
}

/// One occurrence of a relation by name.
#[derive(Clone, Debug)]
pub struct RelationRef {
    /// The name as written.
    pub name: Name,
    /// Its alias.
    pub alias: Option<Alias>,
    /// Whether `ONLY` was written.
    pub only: bool,
    /// `TABLESAMPLE`, when there is one.
    pub sample: Option<Sample>,
}

/// `AS alias (columns)`.
#[derive(Clone, Debug)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// Renamed columns, from the first on.
    pub columns: Vec<String>,
}

/// A join of two items.
#[derive(Clone, Debug)]
pub struct Join {
    /// Which rows are preserved.
    pub kind: JoinKind,
    /// The left item.
    pub left: FromItem,
    /// The right item.
    pub right: FromItem,
    /// How rows are matched.
    pub constraint: JoinConstraint,
    /// An alias of the whole join, which hides the inner names.
    pub alias: Option<Alias>,
    /// Where it stands.
    pub span: Span,
}

/// The kind of a join. A cross join is an inner one without a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `JOIN`, `CROSS JOIN`
    Inner,
    /// `LEFT JOIN`
    Left,
    /// `RIGHT JOIN`
    Right,
    /// `FULL JOIN`
    Full,
}

/// The condition of a join.
#[derive(Clone, Debug)]
pub enum JoinConstraint {
    /// None: a cross join.
    None,
    /// `ON`.
    On(Expr),
    /// `USING (columns) AS alias`.
    Using {
        /// The columns.
        columns: Vec<String>,
        /// The alias of the merged columns.
        alias: Option<String>,
    },
    /// `NATURAL`.
    Natural,
}

/// `ORDER BY expr [USING operator]`.
#[derive(Clone, Debug)]
pub struct OrderBy {
    /// The expression.
    pub expr: Expr,
    /// A custom ordering operator.
    pub operator: Option<Name>,
}

/// `FOR UPDATE`, `FOR SHARE` and their kin.
#[derive(Clone, Debug)]
pub struct Locking {
    /// `OF` tables; empty for all.
    pub of: Vec<Name>,
}

/// A window definition, by name or in place.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its name, when it is defined in `WINDOW`.
    pub name: Option<String>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderBy>,
    /// The offsets of the frame.
    pub frame: Vec<Expr>,
}
