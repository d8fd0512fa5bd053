//! Questions about the shape of expressions and queries that need no catalog.

use crate::catalog::{Catalog, FunctionKind, Volatility};
use crate::functions::builtin;
use crate::ir::{
    Call, Expr, ExprKind, FromItem, IndirectionStep, Literal, Query, QueryBody, Statement,
    SubqueryKind, TypeName, Window, With,
};
use crate::policy::builtin::of_an_extension;

/// The operands of an expression, those of sub-queries not included.
pub(crate) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Column(_)
        | ExprKind::Star(_)
        | ExprKind::Literal(_)
        | ExprKind::Parameter(_)
        | ExprKind::SqlValue(_)
        | ExprKind::Default => Vec::new(),
        ExprKind::Cast { expr, .. }
        | ExprKind::Not(expr)
        | ExprKind::IsNull { expr, .. }
        | ExprKind::IsBool { expr, .. }
        | ExprKind::Collate { expr, .. } => vec![expr],
        ExprKind::Operator { left, right, .. } => {
            left.as_deref().into_iter().chain([&**right]).collect()
        }
        ExprKind::Quantified { left, right, .. } | ExprKind::Distinct { left, right, .. } => {
            vec![left, right]
        }
        ExprKind::NullIf(left, right) => vec![left, right],
        ExprKind::InList { left, list, .. } => [&**left].into_iter().chain(list).collect(),
        ExprKind::Between { expr, low, high } => vec![expr, low, high],
        ExprKind::And(list)
        | ExprKind::Or(list)
        | ExprKind::Coalesce(list)
        | ExprKind::MinMax(list)
        | ExprKind::Array(list)
        | ExprKind::Row(list)
        | ExprKind::Grouping(list) => list.iter().collect(),
        ExprKind::Special { operands, .. } => operands.iter().collect(),
        ExprKind::Case {
            operand,
            branches,
            otherwise,
        } => operand
            .as_deref()
            .into_iter()
            .chain(branches.iter().flat_map(|(when, then)| [when, then]))
            .chain(otherwise.as_deref())
            .collect(),
        ExprKind::Subquery { kind, .. } => match kind {
            SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => Vec::new(),
            SubqueryKind::Any { left, .. }
            | SubqueryKind::All { left, .. }
            | SubqueryKind::RowCompare { left, .. } => vec![left],
        },
        ExprKind::Indirection { expr, steps } => [&**expr]
            .into_iter()
            .chain(steps.iter().flat_map(|step| match step {
                IndirectionStep::Subscript(bounds) => bounds.as_slice(),
                IndirectionStep::Field(_) | IndirectionStep::Star => &[],
            }))
            .collect(),
        ExprKind::Call(call) => call
            .args
            .iter()
            .chain(call.order_by.iter().map(|item| &item.expr))
            .chain(&call.filter)
            .chain(call.over.iter().flat_map(window_parts))
            .collect(),
    }
}

/// Whether an expression calls a function that a migration defines.
pub(super) fn calls_defined(expr: &Expr, catalog: &Catalog) -> bool {
    let here = matches!(&expr.kind, ExprKind::Call(call)
        if call.name.parts.last().is_none_or(|name| catalog.shadows_function(name)));
    here || children(expr)
        .into_iter()
        .any(|part| calls_defined(part, catalog))
}

/// The expressions of a window.
pub(super) fn window_parts(window: &Window) -> impl Iterator<Item = &Expr> {
    let ordered = window.order_by.iter().map(|item| &item.expr);
    window
        .partition_by
        .iter()
        .chain(ordered)
        .chain(&window.frame)
}

/// Whether a call is of functions of the migrations that compute one value from their arguments,
/// without a side effect: PostgreSQL merges a sub-query that calls one.
pub(super) fn is_plain(call: &Call, catalog: &Catalog) -> bool {
    let defined = match call.name.parts.as_slice() {
        [name] => catalog.functions(None, name),
        [schema, name] => catalog.functions(Some(schema), name),
        _ => Vec::new(),
    };
    !defined.is_empty()
        && defined.iter().all(|function| {
            function.kind == FunctionKind::Function
                && !function.returns_set
                && function.volatility != Volatility::Volatile
        })
}

/// Whether an expression holds an aggregate, a window function or a function that returns a set;
/// `plain` tells of the functions that are not PostgreSQL's own whether they are none of these.
pub(super) fn computes_over_rows(expr: &Expr, plain: &dyn Fn(&Call) -> bool) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => {
            call.over.is_some()
                || call.star
                || call.distinct
                || call.filter.is_some()
                || !call.order_by.is_empty()
                || call
                    .name
                    .parts
                    .last()
                    .and_then(|name| builtin(name))
                    .map_or_else(
                        || !plain(call),
                        |builtin| builtin.aggregate || builtin.window || builtin.set,
                    )
        }
        ExprKind::Grouping(_) => true,
        _ => false,
    };
    here || children(expr)
        .into_iter()
        .any(|part| computes_over_rows(part, plain))
}

/// Whether a call is an aggregate, or could be one: a function that only the configuration knows.
pub(super) fn is_aggregate(call: &Call, catalog: &Catalog) -> bool {
    let Some(name) = call.name.parts.last() else {
        return true;
    };
    match builtin(name) {
        Some(builtin) => builtin.aggregate,
        None => {
            let schema = call.name.parts.len() > 1;
            let schema = schema.then(|| call.name.parts.first()).flatten();
            let defined = catalog.functions(schema.map(String::as_str), name);
            defined.is_empty() && !of_an_extension(name)
        }
    }
}

/// Whether an expression holds an aggregate of its own query level, or what could be one. Of a
/// sub-query only an aggregate over columns from around it could be, and that is refused.
pub(super) fn has_aggregate(expr: &Expr, catalog: &Catalog) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => call.over.is_none() && is_aggregate(call, catalog),
        ExprKind::Grouping(_) => true,
        _ => false,
    };
    here || children(expr)
        .into_iter()
        .any(|part| has_aggregate(part, catalog))
}

/// Whether an expression holds an aggregate of PostgreSQL's own.
pub(super) fn has_own_aggregate(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => {
            call.over.is_none()
                && call
                    .name
                    .parts
                    .last()
                    .and_then(|name| builtin(name))
                    .is_some_and(|builtin| builtin.aggregate)
        }
        _ => false,
    };
    here || children(expr).into_iter().any(has_own_aggregate)
}

/// Whether an expression holds a sub-query.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Subquery { .. }) || children(expr).into_iter().any(has_subquery)
}

/// Whether an expression of a select list becomes several columns.
pub(super) fn expands(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Indirection { steps, .. }
        if matches!(steps.last(), Some(IndirectionStep::Star)))
}

/// The name that PostgreSQL gives to a column without an alias (`FigureColname`); `None` where it
/// can't be told.
pub(super) fn column_name(expr: &Expr) -> Option<String> {
    match figure(expr) {
        Figured::Name(name, _) => Some(name),
        Figured::None => Some("?column?".to_owned()),
        Figured::Unknown => None,
    }
}

enum Figured {
    /// A name, and whether it is a strong one.
    Name(String, bool),
    None,
    Unknown,
}

fn figure(expr: &Expr) -> Figured {
    let strong = |name: &str| Figured::Name(name.to_owned(), true);
    match &expr.kind {
        ExprKind::Column(parts) => parts.last().map_or(Figured::Unknown, |name| strong(name)),
        ExprKind::Indirection { expr, steps } => {
            let field = steps.iter().rev().find_map(|step| match step {
                IndirectionStep::Field(name) => Some(name),
                IndirectionStep::Star | IndirectionStep::Subscript(_) => None,
            });
            field.map_or_else(|| figure(expr), |name| strong(name))
        }
        ExprKind::Call(call) => call
            .name
            .parts
            .last()
            .map_or(Figured::Unknown, |name| strong(name)),
        ExprKind::NullIf(..) => strong("nullif"),
        ExprKind::Cast { expr, ty } => match figure(expr) {
            Figured::Name(name, true) => Figured::Name(name, true),
            Figured::Unknown => Figured::Unknown,
            _ => type_last(ty).map_or(Figured::Unknown, |name| Figured::Name(name, false)),
        },
        ExprKind::Collate { expr, .. } => figure(expr),
        ExprKind::Grouping(_) => strong("grouping"),
        ExprKind::Coalesce(_) => strong("coalesce"),
        ExprKind::Array(_) => strong("array"),
        ExprKind::Row(_) => strong("row"),
        ExprKind::Subquery { kind, query } => match kind {
            SubqueryKind::Exists => strong("exists"),
            SubqueryKind::Array => strong("array"),
            SubqueryKind::Scalar => match &query.body {
                QueryBody::Select(select) => match select.targets.as_slice() {
                    [target] => match &target.alias {
                        Some(alias) => strong(alias),
                        None => match column_name(&target.expr) {
                            Some(name) => strong(&name),
                            None => Figured::Unknown,
                        },
                    },
                    _ => Figured::Unknown,
                },
                _ => Figured::Unknown,
            },
            _ => Figured::None,
        },
        ExprKind::Case { otherwise, .. } => match otherwise.as_deref().map(figure) {
            Some(Figured::Name(name, true)) => Figured::Name(name, true),
            Some(Figured::Unknown) => Figured::Unknown,
            _ => Figured::Name("case".to_owned(), false),
        },
        // Versions differ (`bool`), or the intermediate form does not keep the word.
        ExprKind::Literal(Literal::Bool(_))
        | ExprKind::SqlValue(_)
        | ExprKind::MinMax(_)
        | ExprKind::Special { .. }
        | ExprKind::Star(_) => Figured::Unknown,
        _ => Figured::None,
    }
}

fn type_last(ty: &TypeName) -> Option<String> {
    ty.name.parts.last().cloned()
}

/// Whether a query mentions a relation by this unqualified name anywhere. Shadowing is not looked
/// at: a mention too many only makes the query count as recursive.
pub(super) fn mentions(query: &Query, name: &str) -> bool {
    with_mentions(query.with.as_ref(), name)
        || match &query.body {
            QueryBody::Select(select) => {
                select.from.iter().any(|item| from_mentions(item, name))
                    || select.targets.iter().any(|t| expr_mentions(&t.expr, name))
                    || select
                        .filter
                        .iter()
                        .chain(&select.having)
                        .chain(&select.group_by)
                        .chain(select.distinct.iter().flatten())
                        .any(|expr| expr_mentions(expr, name))
                    || select
                        .windows
                        .iter()
                        .flat_map(window_parts)
                        .any(|expr| expr_mentions(expr, name))
            }
            QueryBody::Values(rows) => rows.iter().flatten().any(|e| expr_mentions(e, name)),
            QueryBody::SetOperation { left, right, .. } => {
                mentions(left, name) || mentions(right, name)
            }
        }
        || query
            .order_by
            .iter()
            .map(|item| &item.expr)
            .chain(&query.limit)
            .chain(&query.offset)
            .any(|expr| expr_mentions(expr, name))
}

fn with_mentions(with: Option<&With>, name: &str) -> bool {
    with.is_some_and(|with| {
        with.ctes.iter().any(|cte| match &cte.statement {
            Statement::Query(query) => mentions(query, name),
            // A data change stands at the top only, and is not looked into.
            _ => true,
        })
    })
}

fn from_mentions(item: &FromItem, name: &str) -> bool {
    match item {
        FromItem::Relation(relation) => relation.name.parts == [name],
        FromItem::Subquery { query, .. } => mentions(query, name),
        FromItem::Function { calls, .. } => {
            calls.iter().any(|call| expr_mentions(&call.expr, name))
        }
        FromItem::Join(join) => {
            from_mentions(&join.left, name)
                || from_mentions(&join.right, name)
                || matches!(&join.constraint, crate::ir::JoinConstraint::On(on) if expr_mentions(on, name))
        }
    }
}

fn expr_mentions(expr: &Expr, name: &str) -> bool {
    let here = match &expr.kind {
        ExprKind::Subquery { query, .. } => mentions(query, name),
        _ => false,
    };
    here || children(expr)
        .into_iter()
        .any(|child| expr_mentions(child, name))
}
