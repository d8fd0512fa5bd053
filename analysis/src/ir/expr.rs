//! Expressions, calls and types as they are written.

use super::{Name, OrderBy, Query, Span, Window};

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
    /// `CURRENT_DATE`
    Date,
    /// `LOCALTIME`
    Time,
    /// `CURRENT_TIME`
    TimeWithZone,
    /// `LOCALTIMESTAMP`
    Timestamp,
    /// `CURRENT_TIMESTAMP`
    TimestampWithZone,
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
