//! The intermediate form of a query or data change: what the prover reads.
//!
//! `lower` builds it from the parser's raw tree and refuses whatever has no place here, so every
//! later stage matches exhaustively over a closed set. Names are as PostgreSQL folds them; ranges
//! are byte offsets into the statement text as it is sent. Nothing here is resolved yet.

use std::ops::Range;

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
    /// The value; a star is an [`ExprKind::Star`].
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

/// An expression with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it begins, and where it ends as far as the parser tells.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A column reference, one to four parts; the last is the column.
    Column(Vec<String>),
    /// `*` or `t.*`.
    Star(Vec<String>),
    /// A literal.
    Literal(Literal),
    /// `$n`, numbered from one.
    Parameter(u32),
    /// `CAST`, `::`.
    Cast {
        /// The value.
        expr: Box<Expr>,
        /// The type.
        ty: TypeName,
    },
    /// A prefix or infix operator, `LIKE` and its kin included (as `~~`, `~~*`, …).
    Operator {
        /// The operator, possibly `OPERATOR(schema.=)`.
        name: Name,
        /// The left operand; absent for a prefix operator.
        left: Option<Box<Expr>>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// `expr op ANY (array)` and `expr op ALL (array)`.
    Quantified {
        /// The operator.
        name: Name,
        /// Whether it is `ALL`.
        all: bool,
        /// The left operand.
        left: Box<Expr>,
        /// The array.
        right: Box<Expr>,
    },
    /// `expr IN (list)`, and `NOT IN`.
    InList {
        /// Whether `NOT` was written.
        negated: bool,
        /// The left operand.
        left: Box<Expr>,
        /// The list.
        list: Vec<Expr>,
    },
    /// `IS [NOT] DISTINCT FROM`.
    Distinct {
        /// Whether it is `IS NOT DISTINCT FROM`.
        negated: bool,
        /// The left operand.
        left: Box<Expr>,
        /// The right operand.
        right: Box<Expr>,
    },
    /// `BETWEEN`, its negated and symmetric forms.
    Between {
        /// The tested value.
        expr: Box<Expr>,
        /// The bounds.
        low: Box<Expr>,
        /// The bounds.
        high: Box<Expr>,
    },
    /// `AND`, flattened.
    And(Vec<Expr>),
    /// `OR`, flattened.
    Or(Vec<Expr>),
    /// `NOT`.
    Not(Box<Expr>),
    /// `IS [NOT] NULL`.
    IsNull {
        /// The value.
        expr: Box<Expr>,
        /// Whether `NOT` was written.
        negated: bool,
    },
    /// `IS [NOT] TRUE|FALSE|UNKNOWN`.
    IsBool {
        /// The value.
        expr: Box<Expr>,
        /// Which test.
        test: BoolTest,
    },
    /// A call of a function, an aggregate or a window function.
    Call(Box<Call>),
    /// What the grammar spells without a call: `CURRENT_DATE`, `CURRENT_USER`, …
    SqlValue(SqlValue),
    /// `COALESCE`.
    Coalesce(Vec<Expr>),
    /// `GREATEST`, `LEAST`.
    MinMax(Vec<Expr>),
    /// `NULLIF`.
    NullIf(Box<Expr>, Box<Expr>),
    /// `CASE`.
    Case {
        /// The operand of the short form.
        operand: Option<Box<Expr>>,
        /// `WHEN … THEN …`.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// A sub-query in an expression.
    Subquery {
        /// How it is used.
        kind: SubqueryKind,
        /// The query.
        query: Box<Query>,
    },
    /// `ARRAY[…]`.
    Array(Vec<Expr>),
    /// `ROW(…)`, `(a, b)`.
    Row(Vec<Expr>),
    /// `(expr).field`, `expr[i]`, `expr[a:b]`, `(expr).*`.
    Indirection {
        /// The base.
        expr: Box<Expr>,
        /// The steps.
        steps: Vec<IndirectionStep>,
    },
    /// `expr COLLATE name`.
    Collate {
        /// The value.
        expr: Box<Expr>,
        /// The collation.
        collation: Name,
    },
    /// `expr AT TIME ZONE`, `EXTRACT`, `OVERLAY` and others become calls; this is `GROUPING(…)`.
    Grouping(Vec<Expr>),
    /// `DEFAULT` in an INSERT or UPDATE.
    Default,
    /// SQL/JSON constructors and XML: allowed or refused by `name`, operands are walked.
    Special {
        /// What the grammar calls it, lower case, such as `json_object`.
        name: &'static str,
        /// Every operand.
        operands: Vec<Expr>,
    },
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, decoded.
    String(String),
    /// `B'…'`, `X'…'`
    Bits(String),
}

/// `IS TRUE` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoolTest {
    /// `IS TRUE`
    True,
    /// `IS NOT TRUE`
    NotTrue,
    /// `IS FALSE`
    False,
    /// `IS NOT FALSE`
    NotFalse,
    /// `IS UNKNOWN`
    Unknown,
    /// `IS NOT UNKNOWN`
    NotUnknown,
}

/// Keywords that are values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlValue {
    /// `CURRENT_DATE`, `CURRENT_TIME`, `CURRENT_TIMESTAMP`, `LOCALTIME`, `LOCALTIMESTAMP`
    Time,
    /// `CURRENT_USER`, `SESSION_USER`, `USER`, `CURRENT_ROLE`
    User,
    /// `CURRENT_CATALOG`, `CURRENT_SCHEMA`
    Place,
}

/// How a sub-query in an expression is used.
#[derive(Clone, Debug)]
pub enum SubqueryKind {
    /// `(SELECT …)` as a value.
    Scalar,
    /// `EXISTS (…)`.
    Exists,
    /// `ARRAY (SELECT …)`.
    Array,
    /// `expr op ANY (…)`, `IN (…)`.
    Any {
        /// The left operand, a row for several columns.
        left: Box<Expr>,
        /// The operator; `=` for `IN`.
        operator: Name,
    },
    /// `expr op ALL (…)`.
    All {
        /// The left operand.
        left: Box<Expr>,
        /// The operator.
        operator: Name,
    },
    /// `(a, b) op (SELECT …)`.
    RowCompare {
        /// The left operand.
        left: Box<Expr>,
        /// The operator.
        operator: Name,
    },
}

/// A step of an indirection.
#[derive(Clone, Debug)]
pub enum IndirectionStep {
    /// `.field`
    Field(String),
    /// `.*`
    Star,
    /// `[i]`, `[a:b]`
    Subscript(Vec<Expr>),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name as written; calls that the grammar makes (`EXTRACT`) are `pg_catalog.…`.
    pub name: Name,
    /// The arguments in order, named ones included.
    pub args: Vec<Expr>,
    /// The names of named arguments, by position.
    pub arg_names: Vec<Option<String>>,
    /// `f(*)`.
    pub star: bool,
    /// `VARIADIC`.
    pub variadic: bool,
    /// `DISTINCT`.
    pub distinct: bool,
    /// `ORDER BY` inside the call, or `WITHIN GROUP`.
    pub order_by: Vec<OrderBy>,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `OVER`.
    pub over: Option<Window>,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// The name, `pg_catalog.…` for those that the grammar knows.
    pub name: Name,
    /// The modifiers, as written, such as the 10 of `numeric(10, 2)`.
    pub modifiers: Vec<String>,
    /// The number of array dimensions.
    pub dimensions: usize,
    /// `SETOF`.
    pub set_of: bool,
}

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
