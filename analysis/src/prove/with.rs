//! `WITH`: common table expressions, their scope, and recursion.

use std::rc::Rc;

use super::references::References;
use super::resolve::error;
use super::state::{
    BlockId, CteEntry, CteState, Guard, Info, Namespace, OutputId, OutputSource, Prover, Visible,
};
use super::walk;
use crate::diagnostic::Code;
use crate::ir::{Cte, Query, QueryBody, SetOperator, Statement, With};

impl<'a> Prover<'a> {
    /// Reads a `WITH`; `named` holds what the statement after it names.
    pub(super) fn with_clause(
        &mut self,
        with: &'a With,
        named: References<'a>,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) {
        let mut names: Vec<&str> = Vec::new();
        for cte in &with.ctes {
            if names.contains(&cte.name.as_str()) {
                self.problem(*error(
                    Code::INVALID,
                    format!("`{}` is defined twice in one `WITH`", cte.name),
                    &cte.span,
                ));
            }
            names.push(&cte.name);
        }
        // With RECURSIVE every name is visible in every definition.
        let entries = if with.recursive {
            with.ctes
                .iter()
                .map(|cte| CteEntry {
                    name: cte.name.clone(),
                    state: CteState::Later,
                })
                .collect()
        } else {
            Vec::new()
        };
        self.with.push(entries);
        let level = self.with.len() - 1;
        let counts = named.of_each(with);
        for (cte, count) in with.ctes.iter().zip(counts) {
            let shared = !cte.inlined && count > 1;
            let state = self.define(cte, shared, with.recursive, level, parent, guard, outer);
            let Some(entries) = self.with.get_mut(level) else {
                return;
            };
            match entries.iter_mut().find(|entry| entry.name == cte.name) {
                Some(entry) => entry.state = state,
                None => entries.push(CteEntry {
                    name: cte.name.clone(),
                    state,
                }),
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // One query of a `WITH` and where that stands.
    fn define(
        &mut self,
        cte: &'a Cte,
        shared: bool,
        recursive: bool,
        level: usize,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> CteState {
        for value in &cte.cycle_values {
            let block = self.block(parent, guard);
            let scope = self.push_scope(Namespace::default(), outer);
            let env = self.env(block, scope, false);
            self.expr(value, &env);
        }
        let output = match &cte.statement {
            Statement::Query(query) => {
                if recursive && walk::mentions(query, &cte.name) {
                    self.recursive(cte, query, level, parent, guard, outer)
                } else {
                    Some(self.query(query, parent, guard, outer))
                }
            }
            statement => {
                if parent.is_some() {
                    self.problem(*error(
                        Code::INVALID,
                        "a data change in `WITH` stands at the top of the statement only",
                        &cte.span,
                    ));
                }
                self.write(statement, parent, guard, outer)
            }
        };
        let Some(output) = output else {
            return CteState::Empty;
        };
        // The planner moves conditions of a reader into a plain query only that is named once.
        let plain = match &cte.statement {
            Statement::Query(query) => query.locking.is_empty(),
            _ => false,
        };
        let fenced = cte.materialized
            || shared
            || !plain
            || self.outputs.get(output).is_some_and(|output| {
                output.limited || matches!(output.source, OutputSource::Recursive(..))
            });
        CteState::Ready {
            output,
            columns: self.cte_columns(cte, output),
            fenced,
        }
    }

    fn cte_columns(&mut self, cte: &Cte, output: OutputId) -> Option<Rc<[Visible]>> {
        let mut columns = self.visible(output)?.to_vec();
        if cte.columns.len() > columns.len() {
            self.problem(*error(
                Code::INVALID,
                format!("`{}` names more columns than its query has", cte.name),
                &cte.span,
            ));
        }
        for (column, name) in columns.iter_mut().zip(&cte.columns) {
            column.name = name.as_str().into();
        }
        // What `SEARCH` and `CYCLE` add is computed from the columns they name.
        let mut added = Info::default();
        for column in &columns {
            added.absorb(&column.info);
        }
        added.constant = false;
        columns.extend(cte.added_columns.iter().map(|name| Visible {
            name: name.as_str().into(),
            info: added.clone().into(),
        }));
        Some(columns.into())
    }

    /// A recursive query: its first arm, then its recursive arm, in which the name stands for what
    /// the arms before gave.
    fn recursive(
        &mut self,
        cte: &'a Cte,
        query: &'a Query,
        level: usize,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> Option<OutputId> {
        let QueryBody::SetOperation {
            operator: SetOperator::Union,
            left,
            right,
            ..
        } = &query.body
        else {
            self.problem(*error(
                Code::NOT_UNDERSTOOD,
                format!("`{}` refers to itself, but is no `UNION`", cte.name),
                &cte.span,
            ));
            return None;
        };
        if walk::mentions(left, &cte.name) {
            self.problem(*error(
                Code::NOT_UNDERSTOOD,
                format!(
                    "`{}` refers to itself in its first arm, which is not understood",
                    cte.name
                ),
                &cte.span,
            ));
            return None;
        }
        let levels = self.with.len();
        if let Some(with) = &query.with {
            let mut named = References::default();
            named.body(query);
            self.with_clause(with, named, parent, guard, outer);
        }
        let first = self.query(left, parent, guard, outer);
        let columns = self.outputs.get(first)?.columns.clone();
        let width = columns.as_ref().map_or(0, Vec::len);
        let own = self.push_output(columns, OutputSource::Recursive(first, first));
        let visible = self.cte_columns(cte, own);
        if let Some(entry) = self
            .with
            .get_mut(level)
            .and_then(|entries| entries.iter_mut().find(|entry| entry.name == cte.name))
        {
            entry.state = CteState::Ready {
                output: own,
                columns: visible,
                fenced: true,
            };
        }
        let second = self.query(right, parent, guard, outer);
        let second_columns = self
            .outputs
            .get(second)
            .and_then(|output| output.columns.clone());
        if second_columns.as_ref().map_or(0, Vec::len) != width {
            self.problem(*error(
                Code::INVALID,
                format!(
                    "the arms of `{}` have different numbers of columns",
                    cte.name
                ),
                &cte.span,
            ));
        }
        if let Some(output) = self.outputs.get_mut(own) {
            output.source = OutputSource::Recursive(first, second);
            if let (Some(columns), Some(second)) = (&mut output.columns, second_columns) {
                let news = columns
                    .iter()
                    .zip(&second)
                    .any(|(column, other)| other.info.from_tenant && !column.info.from_tenant);
                // What the recursive arm makes of the tenant may move on to any other column in
                // the next round.
                for column in columns.iter_mut() {
                    column.info.from_tenant |= news;
                }
            }
        }
        self.order_by_output(&query.order_by, own, parent, guard, outer);
        for limit in [&query.limit, &query.offset].into_iter().flatten() {
            let block = self.block(parent, guard);
            let scope = self.push_scope(Namespace::default(), outer);
            let env = self.env(block, scope, false);
            self.expr(limit, &env);
        }
        self.with.truncate(levels);
        Some(own)
    }
}
