//! How often a statement names each of its common table expressions.
//!
//! PostgreSQL computes one that is named twice by itself, and no condition of a reader reaches into it
//! (`inline_cte`). Invariant: no more references are counted than PostgreSQL counts; where the name may
//! stand for something else none is.

use std::collections::HashMap;

use super::walk::{children, window_parts};
use crate::ir::{Expr, ExprKind, FromItem, JoinConstraint, Query, QueryBody, Statement, With};

/// Relations by their unqualified names, as often as they are named.
#[derive(Debug, Default)]
pub(super) struct References<'q> {
    counts: HashMap<&'q str, usize>,
    /// The names that a `WITH` on the way defines anew.
    hidden: Vec<&'q str>,
}

impl<'q> References<'q> {
    /// How often each query of a `WITH` is named after it: in those that follow and in the rest of the
    /// statement, whose references `self` holds.
    pub(super) fn of_each(mut self, with: &'q With) -> Vec<usize> {
        let mut counts: Vec<usize> = with
            .ctes
            .iter()
            .rev()
            .map(|cte| {
                let count = self.counts.get(&*cte.name).copied().unwrap_or_default();
                self.statement(&cte.statement);
                count
            })
            .collect();
        counts.reverse();
        counts
    }

    /// Adds what a query names outside of its own `WITH`.
    pub(super) fn body(&mut self, query: &'q Query) {
        match &query.body {
            QueryBody::Select(select) => {
                for item in &select.from {
                    self.item(item);
                }
                let exprs = select
                    .targets
                    .iter()
                    .map(|target| &target.expr)
                    .chain(&select.filter)
                    .chain(&select.having)
                    .chain(&select.group_by)
                    .chain(select.distinct.iter().flatten())
                    .chain(select.windows.iter().flat_map(window_parts));
                for expr in exprs {
                    self.expr(expr);
                }
            }
            QueryBody::Values(rows) => {
                for expr in rows.iter().flatten() {
                    self.expr(expr);
                }
            }
            QueryBody::SetOperation { left, right, .. } => {
                self.query(left);
                self.query(right);
            }
        }
        let rest = query
            .order_by
            .iter()
            .map(|item| &item.expr)
            .chain(&query.limit)
            .chain(&query.offset);
        for expr in rest {
            self.expr(expr);
        }
    }

    /// Adds what a query names.
    pub(super) fn query(&mut self, query: &'q Query) {
        let known = self.hidden.len();
        let ctes = query.with.iter().flat_map(|with| &with.ctes);
        self.hidden.extend(ctes.clone().map(|cte| &*cte.name));
        for cte in ctes {
            self.statement(&cte.statement);
        }
        self.body(query);
        self.hidden.truncate(known);
    }

    /// A data change is not looked into.
    fn statement(&mut self, statement: &'q Statement) {
        if let Statement::Query(query) = statement {
            self.query(query);
        }
    }

    fn item(&mut self, item: &'q FromItem) {
        match item {
            FromItem::Relation(relation) => {
                if let [name] = relation.name.parts.as_slice()
                    && !self.hidden.contains(&name.as_str())
                {
                    *self.counts.entry(name).or_default() += 1;
                }
            }
            FromItem::Subquery { query, .. } => self.query(query),
            FromItem::Function { calls, .. } => {
                for call in calls {
                    self.expr(&call.expr);
                }
            }
            FromItem::Join(join) => {
                self.item(&join.left);
                self.item(&join.right);
                if let JoinConstraint::On(on) = &join.constraint {
                    self.expr(on);
                }
            }
        }
    }

    fn expr(&mut self, expr: &'q Expr) {
        if let ExprKind::Subquery { query, .. } = &expr.kind {
            self.query(query);
        }
        for part in children(expr) {
            self.expr(part);
        }
    }
}
