//! Queries: `WITH`, `VALUES`, set operations, limits and locks, around the `SELECT` of each level.
//!
//! Invariant: levels are bounded, and a column of several rows of `VALUES` is pinned only where each
//! of them is the tenant.

use super::references::References;
use super::resolve::error;
use super::state::{
    BlockId, Guard, Info, Namespace, Node, OutColumn, OutputId, OutputSource, Prover,
};
use crate::diagnostic::Code;
use crate::ir::{Expr, ExprKind, Locking, Query, QueryBody, SetOperator, Span};

/// How many items one level of a statement reads, and how deep levels nest. The work on one item
/// looks at those beside it, so their number is what bounds it.
pub(super) const ITEMS: usize = 400;
const LEVELS: usize = 250;

impl<'a> Prover<'a> {
    /// Collects a query; `parent` and `guard` say where it stands, `outer` what it sees.
    pub(super) fn query(
        &mut self,
        query: &'a Query,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> OutputId {
        let watermark = self.watch.len();
        self.begin_watch();
        let output = self.arm(query, parent, guard, outer);
        let fails = self.watch.pop().and_then(|watched| watched.fails);
        self.watch.truncate(watermark);
        if let Some(output) = self.outputs.get_mut(output) {
            output.fails = fails;
        }
        output
    }

    /// The same for a query whose failures are noted with those of the query that it is an arm of.
    fn arm(
        &mut self,
        query: &'a Query,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> OutputId {
        if self.stopped {
            return self.push_output(None, OutputSource::Values(Vec::new()));
        }
        if self.level(parent) > LEVELS {
            self.problem(*error(
                Code::TOO_LARGE,
                format!(
                    "sub-queries nest deeper than {LEVELS} levels, and the analysis goes no deeper"
                ),
                &query.span,
            ));
            return self.push_output(None, OutputSource::Values(Vec::new()));
        }
        let levels = self.with.len();
        if let Some(with) = &query.with {
            let mut named = References::default();
            named.body(query);
            self.with_clause(with, named, parent, guard, outer);
        }
        let output = match &query.body {
            QueryBody::Select(select) => {
                let (output, env) = self.select(select, &query.order_by, parent, guard, outer);
                self.order_by(&query.order_by, select, output, &env);
                self.lock(&query.locking, env.scope);
                output
            }
            QueryBody::Values(rows) => self.values(rows, parent, guard, outer),
            QueryBody::SetOperation {
                operator,
                left,
                right,
                ..
            } => {
                let left_output = self.arm(left, parent, guard, outer);
                let right_output = self.arm(right, parent, guard, outer);
                self.set_operation(*operator, left_output, right_output, &query.span)
            }
        };
        if !matches!(query.body, QueryBody::Select(_)) {
            self.order_by_output(&query.order_by, output, parent, guard, outer);
            if let Some(locking) = query.locking.first() {
                let span = locking.of.first().map_or(&query.span, |name| &name.span);
                self.problem(*error(
                    Code::INVALID,
                    "`FOR UPDATE` goes with a plain `SELECT` only",
                    span,
                ));
            }
        }
        let limits = [&query.limit, &query.offset];
        for limit in limits.into_iter().flatten() {
            let block = self.block(parent, guard);
            let scope = self.push_scope(Namespace::default(), outer);
            let env = self.env(block, scope, false);
            self.count(limit, &env);
        }
        if let Some(output) = self.outputs.get_mut(output) {
            output.limited |= query.limit.is_some() || query.offset.is_some();
        }
        self.with.truncate(levels);
        output
    }

    fn values(
        &mut self,
        rows: &'a [Vec<Expr>],
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) -> OutputId {
        let block = self.block(parent, guard);
        let scope = self.push_scope(Namespace::default(), outer);
        let env = self.env(block, scope, false);
        let width = rows.first().map_or(0, Vec::len);
        let mut columns: Vec<OutColumn> = (1..=width)
            .map(|number| OutColumn {
                name: Some(format!("column{number}")),
                info: Info::constant(),
                span: None,
                star: false,
            })
            .collect();
        let mut pinned = vec![true; width];
        let mut types: Vec<Vec<Info>> = vec![Vec::new(); width];
        let mut first = true;
        for row in rows {
            if row.len() != width
                && let Some(first) = row.first()
            {
                self.problem(*error(
                    Code::INVALID,
                    "the rows of `VALUES` have different lengths",
                    &first.span,
                ));
            }
            let cells = columns.iter_mut().zip(&mut types).zip(&mut pinned);
            for (value, ((column, types), pinned)) in row.iter().zip(cells) {
                if matches!(value.kind, ExprKind::Star(_)) {
                    self.problem(*error(
                        Code::NOT_UNDERSTOOD,
                        "a star in `VALUES` is not understood yet",
                        &value.span,
                    ));
                }
                // In the source of an INSERT; elsewhere PostgreSQL refuses the word.
                let info = if matches!(value.kind, ExprKind::Default) {
                    Info::constant()
                } else {
                    self.expr(value, &env)
                };
                *pinned &= info.node == Some(Node::Tenant);
                // The column has the common type of its values; a string or NULL takes it.
                let literal = info.open && !matches!(value.kind, ExprKind::Parameter(_));
                let default = matches!(value.kind, ExprKind::Default);
                column.info.ty = match &column.info.ty {
                    _ if first => info.ty.clone(),
                    known if literal || default => known.clone(),
                    None if column.info.open => info.ty.clone(),
                    Some(_) => super::join::common_type(&column.info, &info),
                    None => None,
                };
                column.info.open = (first || column.info.open) && (literal || default);
                column.info.absorb(&info);
                if !default {
                    types.push(info);
                }
            }
            first = false;
        }
        for ((column, types), value) in columns.iter_mut().zip(&types).zip(rows.iter().flatten()) {
            self.common(&mut column.info, types, &value.span);
            // Of a single row PostgreSQL puts the values in the place of the columns.
            column.info.reads |= rows.len() > 1;
            self.note_leak(&column.info, block);
        }
        self.push_output(Some(columns), OutputSource::Values(pinned))
    }

    fn set_operation(
        &mut self,
        operator: SetOperator,
        left: OutputId,
        right: OutputId,
        span: &Span,
    ) -> OutputId {
        let columns = |output: OutputId| self.outputs.get(output)?.columns.clone();
        let columns = match (columns(left), columns(right)) {
            (Some(left), Some(right)) => {
                if left.len() != right.len() {
                    self.problem(*error(
                        Code::INVALID,
                        "the arms of the set operation have different numbers of columns",
                        span,
                    ));
                }
                let both = left.into_iter().zip(right).map(|(a, b)| {
                    let mut info = Info {
                        // The result has the type of both where they agree.
                        ty: super::join::common_type(&a.info, &b.info),
                        ..Info::default()
                    };
                    info.absorb(&a.info);
                    info.absorb(&b.info);
                    info.aggregate = false;
                    // The place of the arm that has the tenant in it.
                    let (place, star) = match b.info.from_tenant {
                        true => (b.span, b.star),
                        false => (a.span, a.star),
                    };
                    self.common(&mut info, &[a.info, b.info], span);
                    OutColumn {
                        name: a.name,
                        info,
                        span: place,
                        star,
                    }
                });
                Some(both.collect::<Vec<_>>())
            }
            _ => None,
        };
        for arm in [left, right] {
            if let Some(OutputSource::Block { block, .. }) =
                self.outputs.get(arm).map(|output| &output.source)
            {
                let block = *block;
                for column in columns.iter().flatten() {
                    self.note_leak(&column.info, block);
                }
            }
        }
        let source = match operator {
            SetOperator::Union => OutputSource::Both(left, right),
            SetOperator::Intersect | SetOperator::Except => OutputSource::Left(left),
        };
        self.push_output(columns, source)
    }

    /// Values that become one column have a common type, to which each is cast.
    fn common(&self, info: &mut Info, types: &[Info], span: &Span) {
        if !super::operator::unify(types) {
            info.raises(span, super::operator::UNLIKE);
        }
    }

    fn lock(&mut self, locking: &'a [Locking], scope: usize) {
        for clause in locking {
            self.writes = true;
            for name in &clause.of {
                self.classify(&name.span);
                let known = self.scopes.get(scope).is_some_and(|scope| {
                    scope
                        .namespace
                        .tables
                        .iter()
                        .any(|table| Some(&table.name) == name.parts.last())
                });
                if !known {
                    self.problem(*error(
                        Code::INVALID,
                        format!(
                            "there is no item `{}` in `FROM` to lock",
                            name.parts.join(".")
                        ),
                        &name.span,
                    ));
                }
            }
            self.lock_targets(clause, scope);
        }
    }
}
