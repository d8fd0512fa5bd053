//! How often a query names a common table expression.
//!
//! PostgreSQL computes one that is named twice by itself, and no condition of a reader reaches into it
//! (`inline_cte`). Invariant: no more references are counted than PostgreSQL counts; where the name may
//! stand for something else none is.

use super::walk::{children, window_parts};
use crate::ir::{Expr, ExprKind, FromItem, JoinConstraint, Query, QueryBody, Statement};

/// The references of a query to a name from around it.
pub(super) fn references(query: &Query, name: &str) -> usize {
    let ctes = query.with.iter().flat_map(|with| &with.ctes);
    if ctes.clone().any(|cte| cte.name == name) {
        return 0;
    }
    let within: usize = ctes
        .map(|cte| statement_references(&cte.statement, name))
        .sum();
    within + body_references(query, name)
}

/// Those of a common table expression; a data change is not looked into.
pub(super) fn statement_references(statement: &Statement, name: &str) -> usize {
    match statement {
        Statement::Query(query) => references(query, name),
        _ => 0,
    }
}

/// Those outside of the query's own `WITH`.
pub(super) fn body_references(query: &Query, name: &str) -> usize {
    let body: usize = match &query.body {
        QueryBody::Select(select) => {
            let items: usize = select
                .from
                .iter()
                .map(|item| item_references(item, name))
                .sum();
            let exprs = select
                .targets
                .iter()
                .map(|target| &target.expr)
                .chain(&select.filter)
                .chain(&select.having)
                .chain(&select.group_by)
                .chain(select.distinct.iter().flatten())
                .chain(select.windows.iter().flat_map(window_parts));
            items + exprs.map(|expr| expr_references(expr, name)).sum::<usize>()
        }
        QueryBody::Values(rows) => rows
            .iter()
            .flatten()
            .map(|expr| expr_references(expr, name))
            .sum(),
        QueryBody::SetOperation { left, right, .. } => {
            references(left, name) + references(right, name)
        }
    };
    let rest = query
        .order_by
        .iter()
        .map(|item| &item.expr)
        .chain(&query.limit)
        .chain(&query.offset);
    body + rest.map(|expr| expr_references(expr, name)).sum::<usize>()
}

fn item_references(item: &FromItem, name: &str) -> usize {
    match item {
        FromItem::Relation(relation) => usize::from(relation.name.parts == [name]),
        FromItem::Subquery { query, .. } => references(query, name),
        FromItem::Function { calls, .. } => calls
            .iter()
            .map(|call| expr_references(&call.expr, name))
            .sum(),
        FromItem::Join(join) => {
            let on = match &join.constraint {
                JoinConstraint::On(on) => expr_references(on, name),
                _ => 0,
            };
            item_references(&join.left, name) + item_references(&join.right, name) + on
        }
    }
}

fn expr_references(expr: &Expr, name: &str) -> usize {
    let here = match &expr.kind {
        ExprKind::Subquery { query, .. } => references(query, name),
        _ => 0,
    };
    let parts: usize = children(expr)
        .into_iter()
        .map(|part| expr_references(part, name))
        .sum();
    here + parts
}
