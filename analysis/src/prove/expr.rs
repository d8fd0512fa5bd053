//! Walks expressions: resolves names, checks functions, operators and types, and tells what a value
//! depends on.

use super::resolve::is_system;
use super::state::{BlockId, Env, Info, Leak, Level, Node, Prover, RteKind, SubQuery};
use super::walk;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::{Family, Ty};
use crate::ir::{
    Expr, ExprKind, FromItem, IndirectionStep, Literal, Query, QueryBody, Span, SqlValue,
    SubqueryKind, Window,
};

impl<'a> Prover<'a> {
    /// Walks an expression.
    pub(super) fn expr(&mut self, expr: &'a Expr, env: &Env) -> Info {
        if self.stopped {
            return Info::default();
        }
        let info = self.expr_inner(expr, env);
        self.note_leak(&info, env.block);
        info
    }

    /// Whether a migration defines a collation that calls different texts equal.
    fn has_loose_collation(&self) -> bool {
        self.catalog.unknown_names().is_some()
            || self
                .catalog
                .collations()
                .iter()
                .any(|collation| !collation.deterministic)
    }

    /// Notes what a value of a block depends on, and what in it can raise an error.
    pub(super) fn note_leak(&mut self, info: &Info, block: BlockId) {
        for watch in &mut self.watch {
            watch.caller |= info.caller;
            if watch.fails.is_none() {
                watch.fails.clone_from(&info.fails);
            }
        }
        if !info.exposed.is_empty() {
            self.observe(&info.exposed, info.leak.as_ref());
        }
        if let (Some(leak), Some(block)) = (&info.leak, self.blocks.get_mut(block))
            && block.leak.is_none()
        {
            block.leak = Some((leak.clone(), info.exposed.clone()));
        }
    }

    fn expr_inner(&mut self, expr: &'a Expr, env: &Env) -> Info {
        match &expr.kind {
            ExprKind::Column(parts) => self
                .resolve(parts, &expr.span, env.scope)
                .unwrap_or_default(),
            ExprKind::Star(parts) if !parts.is_empty() => {
                match self.row_of(parts, &expr.span, env.scope) {
                    Ok(row) => row,
                    Err(problem) => {
                        self.problem(*problem);
                        Info::default()
                    }
                }
            }
            ExprKind::Star(_) => {
                self.invalid("a star in this place", &expr.span);
                Info::default()
            }
            ExprKind::Literal(literal) => {
                let ty = literal_type(literal);
                Info {
                    open: ty.is_none(),
                    ty,
                    ..Info::constant()
                }
            }
            ExprKind::Parameter(number) => {
                if self.context.origin.is_none() && self.prepared.tenant != Some(*number) {
                    self.uncast.insert(*number);
                }
                self.parameter(*number)
            }
            ExprKind::SqlValue(value) => Info {
                ty: match value {
                    SqlValue::Time => None,
                    SqlValue::User | SqlValue::Place => Some(Ty::plain("name")),
                },
                ..Info::constant()
            },
            ExprKind::Grouping(_) => {
                self.aggregates.borrow_mut().push(Level {
                    scope: env.scope,
                    own: false,
                    outer: false,
                });
                self.children(expr, env);
                let level = self.aggregates.borrow_mut().pop();
                if level.is_some_and(|level| level.outer && !level.own) {
                    self.outer_aggregate(&expr.span);
                }
                Info::constant()
            }
            ExprKind::Cast { expr: inner, ty } => {
                if let Some(setting) = self.setting(expr) {
                    return setting;
                }
                let operand = match inner.kind {
                    ExprKind::Parameter(number) => self.parameter(number),
                    _ => self.expr(inner, env),
                };
                self.check_type(ty);
                self.check_cast(ty);
                let target = Ty::of(ty);
                let mut info = self.over(&[&operand]);
                // A cast within a family keeps the value, or fails.
                let same = operand.ty.as_ref().and_then(Ty::family);
                if ty.modifiers.is_empty()
                    && same.is_some()
                    && target.as_ref().and_then(Ty::family) == same
                {
                    info.node = operand.node;
                    info.text_of = operand.text_of;
                    info.converted = operand.converted
                        || (same == Some(Family::Integer) && operand.ty != target);
                }
                // The text of a uuid or an integer is made by the type itself, unless a migration
                // defines a cast that takes its place.
                if let (Some(Family::Uuid | Family::Integer), Some(Family::Text), true) = (
                    same,
                    target.as_ref().and_then(Ty::family),
                    ty.modifiers.is_empty(),
                ) && target
                    .as_ref()
                    .is_some_and(|target| !self.catalog.shadows_cast(None, &target.name))
                {
                    info.text_of = operand.node;
                }
                if !self.cast_never_raises(&operand, ty) {
                    info.raises(&expr.span, "this cast");
                }
                // A value of a type that is not known may bring a collation of the migrations.
                info.loose |= operand.ty.is_none() && !operand.open && self.has_loose_collation();
                info.ty = target.or_else(|| self.type_of(ty));
                info
            }
            ExprKind::Operator {
                name,
                left: Some(left),
                right,
            } if env.upsert && inserted(name, left, right) => Info {
                ty: Some(Ty::plain("bool")),
                ..Info::constant()
            },
            ExprKind::Operator { name, left, right } => {
                let left_info = left.as_ref().map(|left| self.expr(left, env));
                let right_info = self.expr(right, env);
                let both: Vec<&Info> = left_info.iter().chain([&right_info]).collect();
                self.check_operator(name, &both);
                if let (Some(left), Some(left_info)) = (left, &left_info)
                    && name.parts.last().is_some_and(|name| name == "=")
                {
                    self.note_miss(left_info, right, &right_info);
                    self.note_miss(&right_info, left, left_info);
                }
                let mut operands = vec![&right_info];
                operands.extend(&left_info);
                let mut info = self.over(&operands);
                self.operator(
                    name,
                    left_info.as_ref(),
                    &right_info,
                    right,
                    &expr.span,
                    &mut info,
                );
                info
            }
            ExprKind::Quantified {
                name, left, right, ..
            } => {
                let operands = [self.expr(left, env), self.expr(right, env)];
                let [left_info, right_info] = &operands;
                self.note_miss(left_info, right, right_info);
                let element = right_info.element();
                self.check_operator(name, &[left_info, &element]);
                let mut info = self.over(&operands.each_ref());
                self.operator(
                    name,
                    Some(left_info),
                    &element,
                    right,
                    &expr.span,
                    &mut info,
                );
                info.ty = Some(Ty::plain("bool"));
                info
            }
            ExprKind::InList { left, list, .. } => {
                self.check_hidden(&["<>"], &expr.span);
                let left = self.expr(left, env);
                let mut info = self.over(&[&left]);
                let mut safe = true;
                for item in list {
                    let value = self.expr(item, env);
                    self.note_miss(&left, item, &value);
                    self.check_equality(&[&left, &value], &expr.span);
                    safe &= left.compares("=", &value);
                    info.absorb(&value);
                }
                if !safe {
                    info.raises(&expr.span, COMPARISON);
                }
                info.ty = Some(Ty::plain("bool"));
                info
            }
            ExprKind::Distinct { .. } | ExprKind::Between { .. } | ExprKind::NullIf(..) => {
                if let Some(setting) = self.setting(expr) {
                    return setting;
                }
                if matches!(expr.kind, ExprKind::Between { .. }) {
                    self.check_hidden(&["<", "<=", ">", ">="], &expr.span);
                }
                let operands = self.operands(expr, env);
                let mut info = self.over(&operands.iter().collect::<Vec<_>>());
                if let Some((first, others)) = operands.split_first() {
                    for other in others {
                        self.check_equality(&[first, other], &expr.span);
                        if !first.compares("<", other) {
                            info.raises(&expr.span, COMPARISON);
                        }
                    }
                    info.ty = match expr.kind {
                        ExprKind::NullIf(..) => first.ty.clone(),
                        _ => Some(Ty::plain("bool")),
                    };
                }
                info
            }
            ExprKind::And(_)
            | ExprKind::Or(_)
            | ExprKind::Not(_)
            | ExprKind::IsNull { .. }
            | ExprKind::IsBool { .. } => {
                let mut info = self.children(expr, env);
                info.ty = Some(Ty::plain("bool"));
                info
            }
            ExprKind::Row(_) => {
                let parts = self.operands(expr, env);
                let mut info = self.over(&parts.iter().collect::<Vec<_>>());
                info.ty = Some(Ty::plain("record"));
                info.parts = parts;
                info
            }
            ExprKind::Coalesce(_) => {
                let operands = self.operands(expr, env);
                self.united(&operands, &expr.span)
            }
            ExprKind::MinMax(_) => {
                let operands = self.operands(expr, env);
                let mut info = self.united(&operands, &expr.span);
                if let Some((first, others)) = operands.split_first()
                    && !others.iter().all(|other| first.compares("<", other))
                {
                    info.raises(&expr.span, COMPARISON);
                }
                info
            }
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(
                operand.as_deref(),
                branches,
                otherwise.as_deref(),
                &expr.span,
                env,
            ),
            ExprKind::Array(list) => {
                let elements: Vec<Info> = list.iter().map(|item| self.expr(item, env)).collect();
                let mut info = self.united(&elements, &expr.span);
                info.ty = array_type(list, &elements);
                info
            }
            ExprKind::Call(call) => {
                if let Some(setting) = self.setting(expr) {
                    return setting;
                }
                self.call(call, &expr.span, env)
            }
            ExprKind::Subquery { kind, query } => {
                if matches!(kind, SubqueryKind::Scalar) {
                    if let Some(setting) = self.setting(expr) {
                        return setting;
                    }
                    // `(SELECT $tenant)`.
                    if let Some(inner) = bare(query)
                        && matches!(inner.kind, ExprKind::Parameter(_) | ExprKind::Cast { .. })
                    {
                        return self.expr(inner, env);
                    }
                }
                self.subquery(kind, query, &expr.span, env)
            }
            ExprKind::Indirection { expr: base, steps } => {
                if let Some(info) = self.field_of_row(base, steps, env) {
                    return info;
                }
                let system = steps.iter().find_map(|step| match step {
                    IndirectionStep::Field(name) => Some(name).filter(|name| is_system(name)),
                    _ => None,
                });
                if let Some(name) = system {
                    let problem = self.system_column(name, &expr.span);
                    self.problem(*problem);
                }
                let operands = self.operands(expr, env);
                let base_type = operands.first().and_then(|base| base.ty.clone());
                let mut info = self.over(&operands.iter().collect::<Vec<_>>());
                // A subscript of an array yields an element, or NULL.
                info.ty = match steps.as_slice() {
                    [IndirectionStep::Subscript(bounds)] if bounds.len() == 1 => base_type
                        .filter(|ty| ty.array)
                        .map(|ty| Ty { array: false, ..ty }),
                    _ => None,
                };
                info
            }
            ExprKind::Collate { collation, .. } => {
                let known = collation
                    .parts
                    .last()
                    .is_some_and(|name| !self.catalog.shadows_collation(name));
                if !known {
                    self.problem(
                        Diagnostic::error(
                            Code::SHADOWED,
                            format!(
                                "a migration defines the collation `{}`",
                                collation.parts.join(".")
                            ),
                        )
                        .at(expr.span.clone()),
                    );
                }
                self.children(expr, env)
            }
            ExprKind::Default => {
                self.invalid("`DEFAULT` in this place", &expr.span);
                Info::default()
            }
            ExprKind::Special { .. } => {
                let mut info = self.children(expr, env);
                info.raises(&expr.span, "this expression");
                info
            }
        }
    }

    /// Whether the conditions give every column of a key of the one table that is read: a row at
    /// most, where the tenant's column of the key is given by the policy or the pin.
    fn one_by_key(&self, query: &Query) -> bool {
        let QueryBody::Select(select) = &query.body else {
            return false;
        };
        let [FromItem::Relation(reference)] = select.from.as_slice() else {
            return false;
        };
        let (schema, name) = super::from::split(reference);
        let Some(relation) = self.catalog.relation(schema, name).found() else {
            return false;
        };
        let conjuncts: Vec<&Expr> = match &select.filter {
            Some(Expr {
                kind: ExprKind::And(list),
                ..
            }) => list.iter().collect(),
            other => other.iter().collect(),
        };
        let given = |wanted: &str| {
            conjuncts.iter().any(|conjunct| match &conjunct.kind {
                ExprKind::Operator {
                    name,
                    left: Some(left),
                    right,
                } if self.is_equality(name) => {
                    [(left, right), (right, left)]
                        .iter()
                        .any(|(column, value)| {
                            matches!(&column.kind, ExprKind::Column(parts)
                            if parts.last().is_some_and(|name| name == wanted))
                                && matches!(
                                    &value.kind,
                                    ExprKind::Parameter(_)
                                        | ExprKind::Literal(_)
                                        | ExprKind::Cast { .. }
                                )
                        })
                }
                _ => false,
            })
        };
        let tenant = relation.tenant().map(|column| column.name.as_str());
        relation.keys.iter().any(|key| {
            key.kind != crate::catalog::KeyKind::Exclusion
                && !key.partial
                && !key.columns.is_empty()
                && key.columns.iter().all(|column| {
                    column
                        .as_deref()
                        .is_some_and(|column| Some(column) == tenant || given(column))
                })
        })
    }

    /// Whether a query returns one row at most, whatever the tables hold.
    fn at_most_one(&self, query: &Query) -> bool {
        if let Some(limit) = &query.limit
            && !query.with_ties
            && matches!(&limit.kind, ExprKind::Literal(Literal::Number(n)) if n == "1" || n == "0")
        {
            return true;
        }
        let aggregate = |expr: &Expr| walk::has_own_aggregate(expr);
        match &query.body {
            QueryBody::Select(select) => {
                select.group_by.is_empty()
                    && !select.grouping_sets
                    && select.targets.iter().any(|target| aggregate(&target.expr))
                    && select
                        .targets
                        .iter()
                        .all(|target| !returns_set(&target.expr))
            }
            QueryBody::Values(rows) => rows.len() <= 1,
            QueryBody::SetOperation { .. } => false,
        }
    }

    /// `(t).column`, where `t` is an item of `FROM`: the column.
    fn field_of_row(&self, base: &Expr, steps: &[IndirectionStep], env: &Env) -> Option<Info> {
        let (ExprKind::Column(parts), [IndirectionStep::Field(field)]) = (&base.kind, steps) else {
            return None;
        };
        self.column_of_row(parts, field, &base.span, env.scope)
    }

    /// Walks the operands of an expression, one by one.
    fn operands(&mut self, expr: &'a Expr, env: &Env) -> Vec<Info> {
        walk::children(expr)
            .into_iter()
            .map(|child| self.expr(child, env))
            .collect()
    }

    fn children(&mut self, expr: &'a Expr, env: &Env) -> Info {
        let infos = self.operands(expr, env);
        self.over(&infos.iter().collect::<Vec<_>>())
    }

    /// What a value computed from these operands depends on.
    pub(super) fn over(&self, operands: &[&Info]) -> Info {
        let mut info = Info::constant();
        for operand in operands {
            info.absorb(operand);
        }
        info
    }

    fn parameter(&self, number: u32) -> Info {
        // Inside of a function's body a number is an argument of the function.
        if self.context.arguments.is_none()
            && self.context.origin.is_none()
            && self.prepared.tenant == Some(number)
        {
            return self.tenant_info();
        }
        if let Some(arguments) = &self.context.arguments {
            let position = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
            return arguments
                .get(position)
                .map_or_else(Info::constant, |argument| argument.value.clone());
        }
        Info {
            open: true,
            caller: true,
            ..Info::constant()
        }
    }

    pub(super) fn tenant_info(&self) -> Info {
        Info {
            node: Some(Node::Tenant),
            ty: Some(self.tenant_type()),
            from_tenant: true,
            ..Info::constant()
        }
    }

    pub(super) fn tenant_type(&self) -> Ty {
        Ty::plain(match self.catalog.config().tenant.kind {
            crate::config::TenantKind::Uuid => "uuid",
            crate::config::TenantKind::Bigint => "int8",
            crate::config::TenantKind::Text => "text",
        })
    }

    pub(super) fn invalid(&mut self, what: &str, span: &Span) {
        self.problem(
            Diagnostic::error(Code::INVALID, format!("PostgreSQL refuses {what}")).at(span.clone()),
        );
    }

    /// Walks a window. Which rows are taken together and in what order tells nothing of the tenant:
    /// all of them are one tenant's.
    pub(super) fn window(&mut self, window: &'a Window, env: &Env) -> Info {
        let mut info = Info::constant();
        let mut computed = false;
        for expr in window
            .partition_by
            .iter()
            .chain(window.order_by.iter().map(|item| &item.expr))
        {
            let inner = self.expr(expr, env);
            self.sorted_early(&inner);
            computed |= inner.from_tenant && !self.of_table(&inner);
            info.absorb(&inner);
        }
        for expr in &window.frame {
            let inner = self.count(expr, env);
            info.absorb(&inner);
        }
        for item in &window.order_by {
            if let Some(operator) = &item.operator {
                self.check_operator(operator, &[]);
            }
        }
        // The order of the tenant's own rows by a column that is the same in all of them tells
        // nothing; beside a caller's value it does.
        info.from_tenant = computed;
        info
    }

    /// Whether a value is a column of a table as it is.
    pub(super) fn of_table(&self, info: &Info) -> bool {
        matches!(info.node, Some(Node::Column(rte, _))
            if self.rtes.get(rte).is_some_and(|rte| matches!(rte.kind, RteKind::Base(_))))
    }

    fn subquery(
        &mut self,
        kind: &'a SubqueryKind,
        query: &'a Query,
        span: &Span,
        env: &Env,
    ) -> Info {
        let (left, operator) = match kind {
            SubqueryKind::Any { left, operator }
            | SubqueryKind::All { left, operator }
            | SubqueryKind::RowCompare { left, operator } => {
                (Some(self.expr(left, env)), Some(operator))
            }
            SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => (None, None),
        };
        let watermark = self.watch.len();
        self.begin_watch();
        let (early, first) = (self.early, self.blocks.len());
        let first_rte = self.rtes.len();
        self.early = env.condition;
        let output = self.query(query, Some(env.block), &env.guard, Some(env.scope));
        self.early = early;
        let several = matches!(kind, SubqueryKind::Scalar | SubqueryKind::RowCompare { .. })
            && !self.at_most_one(query);
        if several {
            // The error of a second row tells as much as any other.
            for block in self.blocks.iter_mut().skip(first) {
                block.leak.get_or_insert_with(|| {
                    let leak = Leak {
                        span: span.clone(),
                        what: "a sub-query that may return several rows".to_owned(),
                    };
                    (leak, block.rtes.clone())
                });
            }
        }
        let watched = self.watch.pop();
        self.watch.truncate(watermark);
        // `IN` and `EXISTS` become joins, whose sides are filtered by their own policies first. The
        // rows that `ARRAY (… LIMIT $n)` claims are known by a key, which is looked up once.
        let claimed = matches!(kind, SubqueryKind::Array)
            && matches!(&query.limit, Some(limit) if matches!(limit.kind, ExprKind::Parameter(_)))
            && !query.locking.is_empty();
        let on_demand = env.condition
            && !claimed
            && matches!(
                kind,
                SubqueryKind::Scalar
                    | SubqueryKind::Array
                    | SubqueryKind::RowCompare { .. }
                    | SubqueryKind::All { .. }
            );
        if let (Some(watched), true) = (&watched, on_demand) {
            let several = several && !self.one_by_key(query);
            self.fails_on_demand(watched, several, span, env.block);
        }
        let columns = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.clone());
        let mut info = Info {
            constant: false,
            ..Info::default()
        };
        if let Some(left) = &left {
            info.absorb(left);
        }
        match &columns {
            Some(columns) => {
                for column in columns {
                    // Whether a row exists does not show the row.
                    if !matches!(kind, SubqueryKind::Exists) {
                        info.from_tenant |= column.info.from_tenant;
                    }
                }
                if matches!(kind, SubqueryKind::Scalar)
                    && let [column] = columns.as_slice()
                {
                    info.ty.clone_from(&column.info.ty);
                }
                info.loose |= columns.iter().any(|column| column.info.loose);
            }
            None => info.from_tenant = true,
        }
        if matches!(kind, SubqueryKind::Array)
            && let Some([column]) = columns.as_deref()
        {
            info.ty = column
                .info
                .ty
                .clone()
                .filter(|ty| !ty.array)
                .map(|ty| Ty { array: true, ..ty });
        }
        info.constant = false;
        info.aggregate = left.as_ref().is_some_and(|left| left.aggregate);
        if !matches!(kind, SubqueryKind::Scalar | SubqueryKind::Array) {
            info.ty = Some(Ty::plain("bool"));
        }
        // Whether a row exists tells of the tenant where a condition compares it with a value of
        // the caller.
        info.from_tenant |= matches!(kind, SubqueryKind::Exists)
            && self.blocks.iter().skip(first).any(|block| block.probes);
        if let (Some(left), Some(operator)) = (&left, operator) {
            self.compared_with_rows(left, operator, columns.as_deref(), span, &mut info);
        }
        if let Some(watched) = watched {
            let outer: Vec<_> = watched.outer;
            if env.condition && matches!(kind, SubqueryKind::Any { .. }) {
                // Merged into the query around it, the select list becomes part of a condition.
                if let Some(leak) = columns
                    .iter()
                    .flatten()
                    .find_map(|column| column.info.leak.clone())
                {
                    info.leak = info.leak.or(Some(leak));
                }
            }
            if !outer.is_empty() {
                for rte in &outer {
                    if !info.exposed.contains(rte) {
                        info.exposed.push(*rte);
                    }
                }
                // Evaluated for every row of the outer relation, foreign ones included.
                let leak = watched.leak.or_else(|| {
                    let single =
                        !matches!(kind, SubqueryKind::Scalar | SubqueryKind::RowCompare { .. })
                            || self.at_most_one(query);
                    (!single).then(|| Leak {
                        span: span.clone(),
                        what: "a sub-query that may return several rows".to_owned(),
                    })
                });
                info.leak = info.leak.or(leak);
            }
        }
        // What the outer sub-queries see of this one.
        let exposed = info.exposed.clone();
        let leak = info.leak.clone();
        self.observe(&exposed, leak.as_ref());
        let read = SubQuery {
            output,
            inner: first_rte..self.rtes.len(),
        };
        self.sub_queries.insert(std::ptr::from_ref(query), read);
        info
    }
}

/// What a comparison that can fail is called.
pub(super) const COMPARISON: &str = "this comparison";

fn literal_type(literal: &Literal) -> Option<Ty> {
    match literal {
        Literal::Bool(_) => Some(Ty::plain("bool")),
        Literal::Number(number) => {
            let integer = number.parse::<i32>().is_ok();
            Some(Ty::plain(if integer { "int4" } else { "numeric" }))
        }
        // The type of a string is that of its surroundings.
        Literal::Null | Literal::String(_) | Literal::Bits(_) => None,
    }
}

/// The type of `ARRAY[…]` where all elements have one plain type, or are strings.
fn array_type(list: &[Expr], elements: &[Info]) -> Option<Ty> {
    let string = |expr: &Expr| matches!(&expr.kind, ExprKind::Literal(Literal::String(_)));
    // A string or a parameter takes the type of the others.
    let mut types = elements
        .iter()
        .filter(|info| !info.open)
        .map(|info| info.ty.as_ref());
    let element = match types.next() {
        None if !list.is_empty() && list.iter().all(string) => "text",
        None => return None,
        Some(first) => {
            let first = first.filter(|ty| !ty.array)?;
            types.all(|ty| ty == Some(first)).then_some(&*first.name)?
        }
    };
    Some(Ty {
        array: true,
        ..Ty::plain(element)
    })
}

/// `xmax = 0`, in the `RETURNING` of an upsert: whether the row was inserted rather than updated. Of
/// the row just written it tells that alone.
fn inserted(name: &crate::ir::Name, left: &Expr, right: &Expr) -> bool {
    let mut column = left;
    while let ExprKind::Cast { expr, ty } = &column.kind {
        if !Ty::of(ty).is_some_and(|ty| matches!(&*ty.name, "text" | "int4" | "int8")) {
            return false;
        }
        column = expr;
    }
    let zero = matches!(&right.kind,
        ExprKind::Literal(Literal::Number(zero) | Literal::String(zero)) if zero == "0");
    let compares =
        matches!(name.parts.as_slice(), [name] if matches!(name.as_str(), "=" | "<>" | ">"));
    let xmax = matches!(&column.kind, ExprKind::Column(parts)
        if parts.last().is_some_and(|name| name == "xmax"));
    compares && zero && xmax
}

/// The only expression of a query without anything else: `(SELECT expr)`.
pub(super) fn bare(query: &Query) -> Option<&Expr> {
    if query.with.is_some()
        || query.limit.is_some()
        || query.offset.is_some()
        || !query.order_by.is_empty()
        || !query.locking.is_empty()
    {
        return None;
    }
    let QueryBody::Select(select) = &query.body else {
        return None;
    };
    let plain = select.from.is_empty()
        && select.filter.is_none()
        && select.group_by.is_empty()
        && !select.grouping_sets
        && select.having.is_none()
        && select.distinct.is_none()
        && select.windows.is_empty();
    match select.targets.as_slice() {
        [target] if plain => Some(&target.expr),
        _ => None,
    }
}

fn returns_set(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Call(call) => call
            .name
            .parts
            .last()
            .and_then(|name| crate::functions::builtin(name))
            .is_none_or(|builtin| builtin.set),
        _ => false,
    };
    here || walk::children(expr).into_iter().any(returns_set)
}
