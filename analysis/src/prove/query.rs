//! Queries: `WITH`, `SELECT`, `VALUES`, set operations, and their outputs.

use std::rc::Rc;

use super::from::Place;
use super::resolve::error;
use super::state::{
    Block, BlockId, Env, Guard, Info, Namespace, Node, OutColumn, Output, OutputId, OutputSource,
    Prover, Visible,
};
use super::walk;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::ir::{
    Expr, ExprKind, Literal, Locking, OrderBy, Query, QueryBody, Select, SetOperator, Span, Target,
};

/// How many columns PostgreSQL takes in a select list (`MaxTupleAttributeNumber`).
const COLUMNS: usize = 1_664;
/// How many items one level of a statement reads, and how deep levels nest. The work on one item
/// looks at those beside it, so their number is what bounds it.
pub(super) const ITEMS: usize = 400;
const LEVELS: usize = 250;

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
    /// Collects a query; `parent` and `guard` say where it stands, `outer` what it sees.
    pub(super) fn query(
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
            self.with_clause(with, parent, guard, outer);
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
                let left_output = self.query(left, parent, guard, outer);
                let right_output = self.query(right, parent, guard, outer);
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

    /// How many levels are around a query that stands in `parent`.
    fn level(&self, parent: Option<BlockId>) -> usize {
        parent
            .and_then(|parent| self.blocks.get(parent))
            .map_or(0, |parent| parent.level + 1)
    }

    pub(super) fn block(&mut self, parent: Option<BlockId>, guard: &Guard) -> BlockId {
        let level = self.level(parent);
        self.blocks.push(Block {
            parent,
            level,
            items: 0,
            probes: false,
            guard: guard.clone(),
            facts: Vec::new(),
            memberships: Vec::new(),
            existences: Vec::new(),
            rtes: Vec::new(),
            early: parent.is_some_and(|parent| self.is_early(parent)) || self.early,
            leak: None,
        });
        self.blocks.len() - 1
    }

    pub(super) fn block_guard(&self, block: BlockId) -> Guard {
        self.blocks
            .get(block)
            .map_or_else(|| Guard::from([]), |block| block.guard.clone())
    }

    /// Whether a block may be evaluated before the conditions around it.
    pub(super) fn is_early(&self, block: BlockId) -> bool {
        self.blocks.get(block).is_some_and(|block| block.early)
    }

    fn set_early(&mut self, block: BlockId, early: bool) {
        if let Some(block) = self.blocks.get_mut(block) {
            block.early |= early;
        }
    }

    /// The entries of a block so far.
    pub(super) fn block_rtes(&self, block: BlockId) -> Vec<super::state::RteId> {
        self.blocks
            .get(block)
            .map(|block| block.rtes.clone())
            .unwrap_or_default()
    }

    pub(super) fn env(&self, block: BlockId, scope: usize, condition: bool) -> Env {
        Env {
            scope,
            block,
            guard: self.block_guard(block),
            condition,
            rows: None,
            upsert: false,
        }
    }

    pub(super) fn push_output(
        &mut self,
        columns: Option<Vec<OutColumn>>,
        source: OutputSource,
    ) -> OutputId {
        let pinned = vec![false; columns.as_ref().map_or(0, Vec::len)];
        self.outputs.push(Output {
            columns,
            source,
            pinned,
            limited: false,
        });
        self.outputs.len() - 1
    }

    fn select(
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
                if !from_rows && column.info.node != Some(Node::Tenant) {
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

    /// Collects a select list; `None` when its columns can't be told, or are more than PostgreSQL
    /// takes: queries over `*` of each other double them at each level.
    pub(super) fn targets(&mut self, targets: &'a [Target], env: &Env) -> Option<Vec<OutColumn>> {
        let columns = self.collect_targets(targets, env);
        if let (Some(columns), Some(first)) = (&columns, targets.first())
            && columns.len() > COLUMNS
        {
            self.problem(*error(
                Code::TOO_LARGE,
                format!(
                    "the select list has more than {COLUMNS} columns, which PostgreSQL refuses"
                ),
                &first.span,
            ));
            return None;
        }
        columns
    }

    fn collect_targets(&mut self, targets: &'a [Target], env: &Env) -> Option<Vec<OutColumn>> {
        let mut columns = Some(Vec::with_capacity(targets.len()));
        for target in targets {
            let star = match &target.expr.kind {
                ExprKind::Star(parts) if parts.is_empty() => {
                    let all = self.star(env.scope);
                    if all.as_ref().is_some_and(Vec::is_empty) {
                        self.problem(*error(
                            Code::INVALID,
                            "`*` without an item in `FROM`",
                            &target.span,
                        ));
                    }
                    Some(all.map(Into::into))
                }
                ExprKind::Star(parts) => match self.table_star(parts, &target.span, env.scope) {
                    Ok(all) => Some(all),
                    Err(problem) => {
                        self.problem(*problem);
                        Some(None)
                    }
                },
                _ => None,
            };
            match star {
                Some(Some(all)) => {
                    let all: Rc<[Visible]> = all;
                    if let Some(columns) = &mut columns
                        && columns.len() <= COLUMNS
                    {
                        columns.extend(all.iter().map(|visible| OutColumn {
                            name: Some(visible.name.to_string()),
                            info: Info::clone(&visible.info),
                        }));
                    }
                }
                Some(None) => columns = None,
                None => {
                    let info = self.expr(&target.expr, env);
                    // `(row).*` becomes as many columns as the row has.
                    if walk::expands(&target.expr) {
                        columns = None;
                    }
                    if let Some(columns) = &mut columns {
                        columns.push(OutColumn {
                            name: target
                                .alias
                                .clone()
                                .or_else(|| walk::column_name(&target.expr)),
                            info,
                        });
                    }
                }
            }
        }
        columns
    }

    /// `GROUP BY 1`, `ORDER BY alias`: numbers and aliases of the select list are already read.
    fn group_item(&mut self, expr: &'a Expr, targets: &[Target], env: &Env) {
        if names_output(expr, targets) && !self.is_column(expr, env) {
            return;
        }
        let info = self.expr(expr, env);
        self.sorted_early(&info);
    }

    /// Whether a plain name is a column of `FROM`, without a word about it if it is not.
    fn is_column(&self, expr: &Expr, env: &Env) -> bool {
        match &expr.kind {
            ExprKind::Column(parts) => {
                parts.len() > 1
                    || self.scopes.get(env.scope).is_some_and(|scope| {
                        scope
                            .namespace
                            .columns
                            .iter()
                            .any(|column| Some(&*column.name) == parts.first().map(String::as_str))
                    })
            }
            _ => false,
        }
    }

    /// A bare name in `ORDER BY` and `DISTINCT ON` is that of a column of the output, if one has it,
    /// and of a column of `FROM` only then. Tells whether it is the former.
    fn sorted_by_output(&mut self, expr: &Expr, columns: Option<&[OutColumn]>) -> bool {
        let (ExprKind::Column(parts), Some(columns)) = (&expr.kind, columns) else {
            return false;
        };
        let [name] = parts.as_slice() else {
            return false;
        };
        let mut found = columns
            .iter()
            .filter(|column| column.name.as_ref() == Some(name));
        let Some(first) = found.next() else {
            return false;
        };
        let differs = |other: &OutColumn| match (first.info.node, other.info.node) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        };
        if found.clone().any(differs) {
            self.problem(*error(
                Code::AMBIGUOUS_COLUMN,
                format!("several columns of the output are called `{name}`"),
                &expr.span,
            ));
        }
        self.sorted_early(&first.info);
        for other in found {
            self.sorted_early(&other.info);
        }
        true
    }

    fn order_by(&mut self, items: &'a [OrderBy], select: &'a Select, output: OutputId, env: &Env) {
        let columns = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.clone());
        for item in items {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
            // An alias of the select list wins over a column of the same name.
            if !self.sorted_by_output(&item.expr, columns.as_deref())
                && !names_output(&item.expr, &select.targets)
            {
                let info = self.expr(&item.expr, env);
                self.sorted_early(&info);
            }
        }
    }

    /// A number of rows, which may not be negative.
    pub(super) fn count(&mut self, expr: &'a Expr, env: &Env) -> Info {
        let mut info = self.expr(expr, env);
        if !matches!(expr.kind, ExprKind::Literal(_)) {
            info.raises(&expr.span, "a number of rows that may be negative");
        }
        self.note_leak(&info, env.block);
        info
    }

    /// `ORDER BY` of a set operation or `VALUES` sees the names of the output alone.
    pub(super) fn order_by_output(
        &mut self,
        items: &'a [OrderBy],
        output: OutputId,
        parent: Option<BlockId>,
        guard: &Guard,
        outer: Option<usize>,
    ) {
        if items.is_empty() {
            return;
        }
        let namespace = match self.visible(output) {
            Some(columns) => Namespace {
                columns: columns.to_vec(),
                ..Namespace::default()
            },
            None => Namespace {
                opaque: true,
                ..Namespace::default()
            },
        };
        let block = self.block(parent, guard);
        let scope = self.push_scope(namespace, outer);
        let env = self.env(block, scope, false);
        for item in items {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
            self.expr(&item.expr, &env);
        }
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
                    self.common(&mut info, &[a.info, b.info], span);
                    OutColumn { name: a.name, info }
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
        let types: Vec<_> = types.iter().map(Info::operand).collect();
        if !crate::functions::operators::unify(&types) {
            info.raises(span, super::expr::COMPARISON);
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

    /// The columns of an output as a reader sees them; `None` when they can't be told.
    pub(super) fn visible(&self, output: OutputId) -> Option<Rc<[Visible]>> {
        let columns = self.outputs.get(output)?.columns.as_ref()?;
        columns
            .iter()
            .map(|column| {
                Some(Visible {
                    name: column.name.as_deref()?.into(),
                    info: column.info.clone().into(),
                })
            })
            .collect()
    }
}

/// Whether an item of `ORDER BY` or `GROUP BY` is a number or an alias of the select list.
fn names_output(expr: &Expr, targets: &[Target]) -> bool {
    match &expr.kind {
        ExprKind::Literal(Literal::Number(_)) => true,
        ExprKind::Column(parts) => match parts.as_slice() {
            [name] => targets
                .iter()
                .any(|target| target.alias.as_ref() == Some(name)),
            _ => false,
        },
        _ => false,
    }
}
