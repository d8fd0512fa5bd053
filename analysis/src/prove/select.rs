//! One `SELECT`: its items, conditions, groups and select list, as a block of its own or as part of
//! the block around it.
//!
//! Invariant: what is computed of an aggregate without groups, or of a grouping set, does not rest on
//! the conditions of the block.

use super::from::Place;
use super::state::{BlockId, Env, Guard, Node, OutputId, OutputSource, Prover, Visible};
use super::targets::names_output;
use super::walk;
use crate::catalog::Catalog;
use crate::ir::{OrderBy, Query, QueryBody, Select};

/// The `SELECT` of a sub-query that can be read as part of the query around it: one row for each
/// combination of its own rows, nothing computed over several.
pub(super) fn mergeable<'q>(query: &'q Query, catalog: &Catalog) -> Option<&'q Select> {
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let plain = query.with.is_none()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.locking.is_empty()
        && query.order_by.is_empty()
        && select.distinct.is_none()
        && select.group_by.is_empty()
        && !select.grouping_sets
        && select.having.is_none()
        && select.windows.is_empty()
        && !select.from.is_empty()
        && select.targets.iter().all(|target| {
            !walk::computes_over_rows(&target.expr, &|call| walk::is_plain(call, catalog))
        });
    plain.then_some(select)
}

impl<'a> Prover<'a> {
    pub(super) fn select(
        &mut self,
        select: &'a Select,
        order_by: &'a [OrderBy],
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> (OutputId, Env) {
        let ordered_by_aggregate = order_by
            .iter()
            .any(|item| walk::has_aggregate(&item.expr, self.catalog));
        let ordered = order_by
            .iter()
            .any(|item| names_output(&item.expr, &select.targets));
        let block = self.block(parent, guard);
        let place = Place {
            block,
            guard: self.block_guard(block),
            outer,
            grouping: select.grouping_sets,
        };
        let namespace = self.items(&select.from, &place);
        let rtes = self.block_rtes(block);
        self.note_insertion(rtes, select.filter.as_ref());
        let scope = self.push_scope(namespace, outer);
        let env = self.env(block, scope, false);
        if let Some(filter) = &select.filter {
            self.condition(
                filter,
                &Env {
                    condition: true,
                    ..env.clone()
                },
                "WHERE",
            );
        }
        // An ungrouped aggregate and a grouping set give a row even where no row satisfies the
        // conditions, so what is computed of it can't rest on them.
        let over_nothing = select.grouping_sets
            || (select.group_by.is_empty()
                && (ordered_by_aggregate
                    || select.having.is_some()
                    || select
                        .targets
                        .iter()
                        .map(|target| &target.expr)
                        .chain(select.distinct.iter().flatten())
                        .chain(select.windows.iter().flat_map(walk::window_parts))
                        .any(|expr| walk::has_aggregate(expr, self.catalog))));
        let env = if over_nothing {
            let early = self.is_early(block);
            let outside = self.block(parent, guard);
            self.set_early(outside, early);
            Env {
                rows: Some(block),
                ..self.env(outside, scope, false)
            }
        } else {
            env
        };
        let columns = self.targets(&select.targets, &env);
        // `GROUP BY 1`, `ORDER BY alias` and `DISTINCT` mean items of the select list.
        if select.distinct.is_some() || !select.group_by.is_empty() || ordered {
            for column in columns.iter().flatten() {
                self.sorted_early(&column.info);
            }
        }
        let mut aggregated = over_nothing;
        if let Some(columns) = &columns
            && select.group_by.is_empty()
        {
            aggregated |= columns.iter().any(|column| column.info.aggregate);
        }
        for expr in &select.group_by {
            self.group_item(expr, &select.targets, &env);
        }
        if let Some(having) = &select.having {
            // Without an aggregate PostgreSQL moves the condition before the grouping; a function
            // that is not its own may be none.
            let movable = !walk::computes_over_rows(having, &|_| true);
            let info = self.expr(
                having,
                &Env {
                    condition: movable,
                    ..env.clone()
                },
            );
            if movable {
                self.leaks(&info, env.block, None);
                self.refuse_late(having);
                self.note_risk(block, info.fails.as_ref());
            }
            aggregated |= select.group_by.is_empty();
        }
        for window in &select.windows {
            self.window(window, &env);
        }
        for expr in select.distinct.iter().flatten() {
            if !self.sorted_by_output(expr, columns.as_deref()) {
                self.group_item(expr, &select.targets, &env);
            }
        }
        // An ungrouped aggregate gives a row even where no row satisfies the conditions, and a
        // grouping set gives rows with NULL in place of the grouped columns.
        let from_rows = !aggregated && !select.grouping_sets;
        let leak = self
            .blocks
            .get(env.block)
            .and_then(|block| block.leak.clone());
        if let Some(own) = self.blocks.get_mut(block)
            && own.leak.is_none()
        {
            own.leak = leak;
        }
        let columns = columns.map(|mut columns| {
            for column in &mut columns {
                if !from_rows && (select.grouping_sets || column.info.node != Some(Node::Tenant)) {
                    column.info.node = None;
                }
                column.info.text_of = None;
                // No condition on the result of an aggregate reaches the rows below it.
                if column.info.aggregate || column.info.window {
                    column.info.exposed.clear();
                    column.info.leak = None;
                }
            }
            columns
        });
        let output = self.push_output(columns, OutputSource::Block { block, from_rows });
        (output, env)
    }

    /// A sub-query that is read as part of the block around it.
    pub(super) fn merged(
        &mut self,
        select: &'a Select,
        place: &Place,
        outer: Option<usize>,
    ) -> Option<Vec<Visible>> {
        let place = Place {
            outer,
            ..place.clone()
        };
        let before = self.rtes.len();
        let namespace = self.items(&select.from, &place);
        self.note_insertion(before..self.rtes.len(), select.filter.as_ref());
        let scope = self.push_scope(namespace, outer);
        let env = Env {
            scope,
            block: place.block,
            guard: place.guard.clone(),
            condition: false,
            rows: None,
            upsert: false,
        };
        if let Some(filter) = &select.filter {
            self.condition(
                filter,
                &Env {
                    condition: true,
                    ..env.clone()
                },
                "WHERE",
            );
        }
        let nullable = place.guard != self.block_guard(place.block);
        for target in &select.targets {
            self.note_texts_below(&target.expr);
        }
        let columns = self.targets(&select.targets, &env)?;
        // PostgreSQL may compute a select list where the rows are read: that of a sub-query on the
        // nullable side of a join, or one with a volatile function.
        for column in &columns {
            self.computed_early(&column.info);
        }
        columns
            .into_iter()
            .map(|mut column| {
                // On the nullable side of a join even a constant can be NULL, and so can a value
                // that a lateral query takes from an item to its left.
                let of_elsewhere = |node: Node| match node {
                    Node::Tenant => true,
                    Node::Column(rte, _) => rte < before,
                };
                if nullable && column.info.node.is_some_and(of_elsewhere) {
                    column.info.node = None;
                }
                if nullable && column.info.text_of.is_some_and(of_elsewhere) {
                    column.info.text_of = None;
                }
                column.info.constant = false;
                Some(Visible {
                    name: column.name?.into(),
                    info: column.info.into(),
                })
            })
            .collect()
    }
}
