//! Errors that tell: a condition that can raise an error on a row without row-level security.
//!
//! Under a predicate alone the planner may evaluate another condition before the tenant's, and the
//! error then tells about a foreign row. Invariant: whatever the planner may move to where foreign
//! rows are is made of operators and functions that never raise an error.

use std::cell::Cell;

use super::check::Check;
use super::state::{BlockId, Info, Leak, Prover, RteId};
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::Span;

/// What is seen while a sub-query of an expression is read.
#[derive(Debug)]
pub(super) struct Watch {
    /// How many entries there were before: those are outside.
    pub(super) rtes: usize,
    /// Entries outside whose rows the sub-query is evaluated for.
    pub(super) outer: Vec<RteId>,
    /// A part of the sub-query that can raise an error.
    pub(super) leak: Option<Leak>,
    /// A part of it that can raise an error on rows of any table, or on none.
    pub(super) fails: Option<Leak>,
    /// The scopes that were there before, and whether it reads a column of one of them.
    pub(super) scopes: usize,
    pub(super) correlated: Cell<bool>,
}

impl Prover<'_> {
    /// Tells the sub-queries being read what one of their expressions depends on.
    pub(super) fn observe(&mut self, exposed: &[RteId], leak: Option<&Leak>) {
        for watch in &mut self.watch {
            for rte in exposed {
                if *rte < watch.rtes && !watch.outer.contains(rte) {
                    watch.outer.push(*rte);
                }
            }
            if watch.leak.is_none() {
                watch.leak = leak.cloned();
            }
        }
    }

    /// Refuses a sub-query of a condition that reads nothing of the row and can fail: PostgreSQL runs it
    /// when the first row asks for it, and lets such a condition pass in front of a policy's, so the
    /// error tells that some tenant's row got that far. What it fails on may be the tenant's own rows,
    /// which the caller writes.
    pub(super) fn fails_on_demand(&mut self, watched: &Watch, several: bool, span: &Span) {
        let why = watched
            .fails
            .as_ref()
            .map(|fails| fails.what.clone())
            .or_else(|| (several && !self.context.policy).then(|| "a second row".to_owned()));
        if watched.correlated.get() || !self.tenant_mode() {
            return;
        }
        let rows = watched.fails.is_none();
        if let Some(why) = why {
            self.problem(
                Diagnostic::error(
                    Code::LEAKY_ERROR,
                    format!("{why} could make this sub-query fail, and whether it is run tells whether a row of any tenant met the conditions before it"),
                )
                .at(span.clone())
                .help(if rows {
                    "write `LIMIT 1` where one row is meant, or find the value in a statement of its own and pass it"
                } else {
                    "join the sub-query in `FROM`, as in `CROSS JOIN (SELECT …) AS s`, or find the value in a statement of its own and pass it"
                }),
            );
        }
    }

    /// Refuses what can raise an error and may be computed before its rows meet others, unless a
    /// condition of their own pins them.
    pub(super) fn computed_early(&mut self, info: &Info) {
        self.early(info, false);
    }

    /// PostgreSQL may sort or group rows by an expression where they are read, before a join.
    pub(super) fn sorted_early(&mut self, info: &Info) {
        if !info.aggregate && !info.window {
            self.early(info, true);
        }
    }

    fn early(&mut self, info: &Info, key: bool) {
        if let Some(leak) = &info.leak {
            self.checks.push(Check::Lateral {
                exposed: info.exposed.clone(),
                leak: leak.clone(),
                key,
                context: self.context.clone(),
            });
        }
    }

    /// Begins to watch what a sub-query does with rows from outside of it.
    pub(super) fn begin_watch(&mut self) {
        self.watch.push(Watch {
            rtes: self.rtes.len(),
            outer: Vec::new(),
            leak: None,
            fails: None,
            scopes: self.scopes.len(),
            correlated: Cell::new(false),
        });
    }

    /// Refuses a condition of `block` that can raise an error on a foreign row.
    pub(super) fn leaks(&mut self, info: &Info, block: BlockId, condition: Option<&Span>) {
        let Some(leak) = &info.leak else {
            return;
        };
        // A block that is not evaluated before the conditions around it, such as a sub-query of a
        // select list, sees of the rows around only those that meet them.
        let outside: Vec<RteId> = self
            .settled_around(block)
            .into_iter()
            .filter(|rte| info.exposed.contains(rte))
            .collect();
        if info.exposed.iter().any(|rte| !outside.contains(rte)) {
            let diagnostic = self.leak_diagnostic(leak, &info.exposed, condition);
            self.problem(diagnostic);
        }
    }

    /// The entries around a block whose rows have met the conditions on them when it is evaluated.
    fn settled_around(&self, block: BlockId) -> Vec<RteId> {
        let mut settled = Vec::new();
        let mut early = true;
        let mut next = Some(block);
        while let Some(block) = next.and_then(|block| self.blocks.get(block)) {
            if !early {
                settled.extend(&block.rtes);
            }
            early &= block.early;
            next = block.parent;
        }
        settled
    }

    pub(super) fn leak_diagnostic(
        &self,
        leak: &Leak,
        exposed: &[RteId],
        condition: Option<&Span>,
    ) -> Diagnostic {
        let table = exposed
            .iter()
            .filter_map(|rte| self.rtes.get(*rte))
            .map(|rte| rte.name.clone())
            .next()
            .unwrap_or_default();
        let diagnostic = Diagnostic::error(
            Code::LEAKY_ERROR,
            format!("{} could raise an error on another tenant's row of `{table}`", leak.what),
        )
        .at(leak.span.clone())
        .note(format!(
            "`{table}` has no row-level security for this command, so PostgreSQL may evaluate this before the condition on the tenant"
        ));
        self.help_leak(diagnostic, leak, exposed, condition)
    }
}
