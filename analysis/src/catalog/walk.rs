//! Walks every expression and every relation of a stored query, with the scopes of `WITH`.
//!
//! Invariant: exhaustive over the intermediate form, so nothing that is stored escapes binding.

use crate::ir::{
    Call, ConflictTarget, Cte, Expr, ExprKind, FromItem, IndirectionStep, Insert, Join,
    JoinConstraint, Literal, MergeAction, OnConflict, OrderBy, Query, QueryBody, RelationRef,
    Select, Statement, SubqueryKind, Target, Window, With,
};

/// What a walk does.
pub(crate) trait Visitor {
    /// A relation; `cte` tells that the name is one of a `WITH` in scope.
    fn relation(&mut self, _relation: &mut RelationRef, _cte: bool) {}
    /// An expression, before its parts.
    fn expr(&mut self, _expr: &mut Expr) {}
    /// A join, before its parts.
    fn join(&mut self, _join: &mut Join) {}
    /// Whether the walk goes into sub-queries of expressions.
    fn enters(&self) -> bool {
        true
    }
}

/// A walk with its scopes.
pub(crate) struct Walk<'a, V> {
    visitor: &'a mut V,
    ctes: Vec<String>,
}

/// Walks an expression.
pub(crate) fn expr<V: Visitor>(expr: &mut Expr, visitor: &mut V) {
    Walk {
        visitor,
        ctes: Vec::new(),
    }
    .expr(expr);
}

/// Walks a query.
pub(crate) fn query<V: Visitor>(query: &mut Query, visitor: &mut V) {
    Walk {
        visitor,
        ctes: Vec::new(),
    }
    .query(query);
}

/// Walks a statement.
pub(crate) fn statement<V: Visitor>(statement: &mut Statement, visitor: &mut V) {
    Walk {
        visitor,
        ctes: Vec::new(),
    }
    .statement(statement);
}

impl<V: Visitor> Walk<'_, V> {
    fn statement(&mut self, statement: &mut Statement) {
        let depth = self.ctes.len();
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => {
                self.with(update.with.as_mut());
                self.relation(&mut update.target, false);
                for assignment in &mut update.assignments {
                    self.columns(&mut assignment.columns);
                    self.expr(&mut assignment.value);
                }
                update.from.iter_mut().for_each(|item| self.item(item));
                self.optional(update.filter.as_mut());
                self.targets(&mut update.returning);
            }
            Statement::Delete(delete) => {
                self.with(delete.with.as_mut());
                self.relation(&mut delete.target, false);
                delete.using.iter_mut().for_each(|item| self.item(item));
                self.optional(delete.filter.as_mut());
                self.targets(&mut delete.returning);
            }
            Statement::Merge(merge) => {
                self.with(merge.with.as_mut());
                self.relation(&mut merge.target, false);
                self.item(&mut merge.source);
                self.expr(&mut merge.on);
                for branch in &mut merge.branches {
                    self.optional(branch.condition.as_mut());
                    match &mut branch.action {
                        MergeAction::Nothing | MergeAction::Delete => {}
                        MergeAction::Update(assignments) => {
                            for assignment in assignments {
                                self.columns(&mut assignment.columns);
                                self.expr(&mut assignment.value);
                            }
                        }
                        MergeAction::Insert { columns, values } => {
                            self.columns(columns);
                            self.exprs(values.iter_mut().flatten());
                        }
                    }
                }
                self.targets(&mut merge.returning);
            }
        }
        self.ctes.truncate(depth);
    }

    fn insert(&mut self, insert: &mut Insert) {
        self.with(insert.with.as_mut());
        self.relation(&mut insert.target, false);
        self.columns(&mut insert.columns);
        if let Some(source) = &mut insert.source {
            self.query(source);
        }
        if let Some(OnConflict { target, update, .. }) = &mut insert.on_conflict {
            if let Some(ConflictTarget::Columns { elements, filter }) = target {
                self.exprs(elements.iter_mut().chain(filter));
            }
            if let Some(update) = update {
                for assignment in &mut update.assignments {
                    self.columns(&mut assignment.columns);
                    self.expr(&mut assignment.value);
                }
                self.optional(update.filter.as_mut());
            }
        }
        self.targets(&mut insert.returning);
    }

    fn columns(&mut self, columns: &mut [crate::ir::InsertColumn]) {
        for column in columns {
            self.exprs(column.subscripts.iter_mut());
        }
    }

    fn query(&mut self, query: &mut Query) {
        let depth = self.ctes.len();
        self.with(query.with.as_mut());
        match &mut query.body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(rows) => self.exprs(rows.iter_mut().flatten()),
            QueryBody::SetOperation { left, right, .. } => {
                self.query(left);
                self.query(right);
            }
        }
        self.order_by(&mut query.order_by);
        self.exprs(query.limit.iter_mut().chain(&mut query.offset));
        self.ctes.truncate(depth);
    }

    fn with(&mut self, with: Option<&mut With>) {
        let Some(with) = with else { return };
        if with.recursive {
            self.ctes
                .extend(with.ctes.iter().map(|cte| cte.name.clone()));
        }
        for Cte {
            name,
            statement,
            cycle_values,
            ..
        } in &mut with.ctes
        {
            self.statement(statement);
            self.exprs(cycle_values.iter_mut());
            self.ctes.push(name.clone());
        }
    }

    fn select(&mut self, select: &mut Select) {
        select.from.iter_mut().for_each(|item| self.item(item));
        self.exprs(select.distinct.iter_mut().flatten());
        self.targets(&mut select.targets);
        self.exprs(
            select
                .filter
                .iter_mut()
                .chain(&mut select.group_by)
                .chain(&mut select.having),
        );
        select
            .windows
            .iter_mut()
            .for_each(|window| self.window(window));
    }

    fn item(&mut self, item: &mut FromItem) {
        match item {
            FromItem::Relation(relation) => {
                let cte =
                    matches!(relation.name.parts.as_slice(), [name] if self.ctes.contains(name));
                self.relation(relation, cte);
            }
            FromItem::Subquery { query, .. } => self.query(query),
            FromItem::Function { calls, .. } => {
                self.exprs(calls.iter_mut().map(|call| &mut call.expr))
            }
            FromItem::Join(join) => {
                self.visitor.join(join);
                self.item(&mut join.left);
                self.item(&mut join.right);
                match &mut join.constraint {
                    JoinConstraint::On(expr) => self.expr(expr),
                    JoinConstraint::None
                    | JoinConstraint::Using { .. }
                    | JoinConstraint::Natural => {}
                }
            }
        }
    }

    fn relation(&mut self, relation: &mut RelationRef, cte: bool) {
        self.visitor.relation(relation, cte);
        self.exprs(
            relation
                .sample
                .iter_mut()
                .flat_map(|sample| &mut sample.args),
        );
    }

    fn targets(&mut self, targets: &mut [Target]) {
        self.exprs(targets.iter_mut().map(|target| &mut target.expr));
    }

    fn order_by(&mut self, items: &mut [OrderBy]) {
        self.exprs(items.iter_mut().map(|item| &mut item.expr));
    }

    fn window(&mut self, window: &mut Window) {
        self.exprs(window.partition_by.iter_mut());
        self.order_by(&mut window.order_by);
        self.exprs(window.frame.iter_mut());
    }

    fn optional(&mut self, expr: Option<&mut Expr>) {
        self.exprs(expr.into_iter());
    }

    fn exprs<'e>(&mut self, exprs: impl Iterator<Item = &'e mut Expr>) {
        exprs.for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &mut Expr) {
        self.visitor.expr(expr);
        match &mut expr.kind {
            ExprKind::Column(_)
            | ExprKind::Star(_)
            | ExprKind::Literal(_)
            | ExprKind::Parameter(_)
            | ExprKind::SqlValue(_)
            | ExprKind::Default => {}
            ExprKind::Cast { expr, .. }
            | ExprKind::Not(expr)
            | ExprKind::IsNull { expr, .. }
            | ExprKind::IsBool { expr, .. }
            | ExprKind::Collate { expr, .. } => self.expr(expr),
            ExprKind::Operator { left, right, .. } => {
                if let Some(left) = left {
                    self.expr(left);
                }
                self.expr(right);
            }
            ExprKind::Quantified { left, right, .. } | ExprKind::Distinct { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::InList { left, list, .. } => {
                self.expr(left);
                self.exprs(list.iter_mut());
            }
            ExprKind::Between {
                expr, low, high, ..
            } => {
                self.expr(expr);
                self.expr(low);
                self.expr(high);
            }
            ExprKind::And(list)
            | ExprKind::Or(list)
            | ExprKind::Coalesce(list)
            | ExprKind::MinMax(list)
            | ExprKind::Array(list)
            | ExprKind::Row(list)
            | ExprKind::Grouping(list) => self.exprs(list.iter_mut()),
            ExprKind::Special { operands, .. } => self.exprs(operands.iter_mut()),
            ExprKind::NullIf(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => {
                if let Some(operand) = operand {
                    self.expr(operand);
                }
                for (when, then) in branches {
                    self.expr(when);
                    self.expr(then);
                }
                if let Some(otherwise) = otherwise {
                    self.expr(otherwise);
                }
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Subquery { kind, query } => {
                match kind {
                    SubqueryKind::Scalar | SubqueryKind::Exists | SubqueryKind::Array => {}
                    SubqueryKind::Any { left, .. }
                    | SubqueryKind::All { left, .. }
                    | SubqueryKind::RowCompare { left, .. } => self.expr(left),
                }
                if self.visitor.enters() {
                    self.query(query);
                }
            }
            ExprKind::Indirection { expr, steps } => {
                self.expr(expr);
                for step in steps {
                    if let IndirectionStep::Subscript(list) = step {
                        self.exprs(list.iter_mut());
                    }
                }
            }
        }
    }

    fn call(&mut self, call: &mut Call) {
        self.exprs(call.args.iter_mut());
        self.order_by(&mut call.order_by);
        self.exprs(call.filter.iter_mut());
        if let Some(window) = &mut call.over {
            self.window(window);
        }
    }
}

/// A call as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    /// The parts of its name.
    pub(crate) parts: Vec<String>,
    /// The arguments: their names where they are given, and their texts where they are literals.
    pub(crate) arguments: Vec<(Option<String>, Option<String>)>,
}

impl Called {
    fn of(call: &Call) -> Called {
        fn text(expr: &Expr) -> Option<String> {
            match &expr.kind {
                ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
                ExprKind::Cast { expr, .. } => text(expr),
                _ => None,
            }
        }
        let names = call
            .arg_names
            .iter()
            .cloned()
            .chain(std::iter::repeat(None));
        Called {
            parts: call.name.parts.clone(),
            arguments: names.zip(call.args.iter().map(text)).collect(),
        }
    }

    /// The last part of its name.
    pub(crate) fn name(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }
}

/// The facts about a stored expression that decide what later changes do to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    /// Qualified names of relations.
    pub(crate) relations: Vec<Vec<String>>,
    /// The last parts of columns.
    pub(crate) columns: Vec<String>,
    /// Columns without a qualifier, which a new column of another table may capture.
    pub(crate) bare: Vec<String>,
    /// Qualified columns and fields: where there is no such column, a call in attribute notation.
    pub(crate) fields: Vec<String>,
    /// The last parts of functions.
    pub(crate) functions: Vec<String>,
    /// The calls of those functions.
    pub(crate) calls: Vec<Called>,
    /// The last parts of types.
    pub(crate) types: Vec<String>,
    /// The names of operators.
    pub(crate) operators: Vec<String>,
    /// Sub-queries, stars or whole rows: what can't be renamed column by column.
    pub(crate) complex: bool,
    /// `NATURAL` or `USING`.
    pub(crate) merges: bool,
    /// Relations whose columns get names by their place: `notes AS n (a, b)`.
    pub(crate) by_place: Vec<Vec<String>>,
}

impl Mentions {
    /// Operators that a form of expression calls without naming them.
    fn uses(&mut self, operators: &[&str]) {
        self.operators
            .extend(operators.iter().map(|name| (*name).to_owned()));
    }
}

impl Visitor for Mentions {
    fn relation(&mut self, relation: &mut RelationRef, cte: bool) {
        if cte {
            return;
        }
        self.relations.push(relation.name.parts.clone());
        let alias = relation.alias.as_ref();
        if alias.is_some_and(|alias| !alias.columns.is_empty()) {
            self.by_place.push(relation.name.parts.clone());
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        match &expr.kind {
            ExprKind::Column(parts) => {
                self.columns.extend(parts.last().cloned());
                match parts.as_slice() {
                    [bare] => self.bare.push(bare.clone()),
                    parts => self.fields.extend(parts.last().cloned()),
                }
            }
            ExprKind::Indirection { steps, .. } => {
                self.complex = true;
                self.fields
                    .extend(steps.iter().filter_map(|step| match step {
                        IndirectionStep::Field(name) => Some(name.clone()),
                        _ => None,
                    }));
            }
            ExprKind::Call(call) => {
                self.functions.extend(call.name.parts.last().cloned());
                self.calls.push(Called::of(call));
            }
            ExprKind::Cast { ty, .. } => self.types.extend(ty.name.parts.last().cloned()),
            ExprKind::Operator { name, .. } | ExprKind::Quantified { name, .. } => {
                self.operators.extend(name.parts.last().cloned());
            }
            ExprKind::Between { .. } => self.uses(&[">=", "<=", "<", ">"]),
            ExprKind::InList { .. } => self.uses(&["=", "<>"]),
            ExprKind::Distinct { .. }
            | ExprKind::NullIf(..)
            | ExprKind::Case {
                operand: Some(_), ..
            } => self.uses(&["="]),
            ExprKind::MinMax(_) => self.uses(&["<", ">"]),
            ExprKind::Subquery {
                kind:
                    SubqueryKind::Any { operator, .. }
                    | SubqueryKind::All { operator, .. }
                    | SubqueryKind::RowCompare { operator, .. },
                ..
            } => {
                self.operators.extend(operator.parts.last().cloned());
                self.complex = true;
            }
            ExprKind::Star(_) => {
                // It stands for every column.
                self.columns.push("*".to_owned());
                self.complex = true;
            }
            ExprKind::Subquery { .. } => {
                self.complex = true;
            }
            _ => {}
        }
    }

    fn join(&mut self, join: &mut Join) {
        if matches!(
            join.constraint,
            JoinConstraint::Natural | JoinConstraint::Using { .. }
        ) {
            self.merges = true;
        }
    }
}

/// What an expression mentions.
pub(crate) fn mentions(of: &Expr) -> Mentions {
    let mut found = Mentions::default();
    expr(&mut of.clone(), &mut found);
    found
}

/// What a query mentions.
pub(crate) fn query_mentions(of: &Query) -> Mentions {
    let mut found = Mentions::default();
    query(&mut of.clone(), &mut found);
    found
}

/// What a statement mentions.
pub(crate) fn statement_mentions(of: &Statement) -> Mentions {
    let mut found = Mentions::default();
    statement(&mut of.clone(), &mut found);
    found
}
