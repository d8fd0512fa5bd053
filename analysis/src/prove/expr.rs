//! Walks expressions: resolves names, checks functions, operators and types, and tells what a value
//! depends on.
//!
//! Invariant: each kind of expression has an arm of its own; there is none that passes the rest by.

use super::collation::{Collation, named};
use super::digits;
use super::late::folds;
use super::operator::{NESTED, unify_list};
use super::resolve::is_system;
use super::state::{BlockId, Env, Info, Level, Prover};
use super::subquery::bare;
use super::value::{array_type, literal_type};
use super::walk;
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, IndirectionStep, Literal, Span, SqlValue, SubqueryKind};

impl<'a> Prover<'a> {
    /// Walks an expression.
    pub(super) fn expr(&mut self, expr: &'a Expr, env: &Env) -> Info {
        if self.stopped {
            return Info::default();
        }
        let mut info = self.expr_inner(expr, env);
        info.settle_collation();
        // Planning computes it, and fails whatever the tables hold.
        if info.folds || super::late::is_near_now(expr) {
            info.fails = None;
        }
        if env.condition {
            self.note_late(expr, &info);
        }
        self.note_leak(&info, env.block);
        info
    }

    /// Notes what a value of a block depends on, and what in it can raise an error.
    pub(super) fn note_leak(&mut self, info: &Info, block: BlockId) {
        if let Some(fails) = &info.fails {
            let fails = self.at_mention(fails);
            self.note_fails(Some(&fails));
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
                    digits: digits::of_literal(literal),
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
                ty: Some(Ty::plain(match value {
                    SqlValue::Date => "date",
                    SqlValue::Time => "time",
                    SqlValue::TimeWithZone => "timetz",
                    SqlValue::Timestamp => "timestamp",
                    SqlValue::TimestampWithZone => "timestamptz",
                    SqlValue::User | SqlValue::Place => "name",
                })),
                collation: match value {
                    SqlValue::User | SqlValue::Place => named("C", Collation::Column),
                    _ => Collation::Own,
                },
                folds: false,
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
                Info {
                    reads: true,
                    folds: false,
                    ..Info::constant()
                }
            }
            ExprKind::Cast { expr: inner, ty } => self.cast(expr, inner, ty, env),
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
                info.folds &= folds(&operands);
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
                info.folds &= folds(&operands.each_ref());
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
                let mut together = vec![left.clone()];
                for item in list {
                    let value = self.expr(item, env);
                    together.push(value.clone());
                    self.note_miss(&left, item, &value);
                    self.check_equality(&[&left, &value], &expr.span);
                    safe &= left.compares("=", &value);
                    info.absorb(&value);
                }
                // Several values become an array, and so one type.
                if !safe || (list.len() > 1 && !unify_list(&together)) {
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
                self.check_collations(&operands.iter().collect::<Vec<_>>(), &expr.span);
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
                // Arrays in an array have to be of one size.
                let scalar = |info: &Info| info.ty.as_ref().is_some_and(|ty| !ty.array);
                let open = |info: &Info| info.ty.is_none() && info.open;
                if elements.len() > 1 && !elements.iter().any(scalar) && !elements.iter().all(open)
                {
                    info.raises(&expr.span, NESTED);
                }
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
                    // `(SELECT $tenant)`, `(SELECT $tenant::uuid)`: a value that has its type before
                    // the statement runs, so that nothing in it can fail.
                    let parameter = |expr: &Expr| matches!(expr.kind, ExprKind::Parameter(_));
                    let given = |expr: &Expr| match &expr.kind {
                        ExprKind::Cast { expr, .. } => parameter(expr),
                        _ => parameter(expr),
                    };
                    if let Some(inner) = bare(query)
                        && given(inner)
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
                // A subscript is cast to an integer, which fails for what is too large. That of a
                // document may be a text.
                let small = |bound: &Info| {
                    bound.open
                        || bound
                            .ty
                            .as_ref()
                            .is_some_and(|ty| matches!(&*ty.name, "int2" | "int4" | "text"))
                };
                if !operands.iter().skip(1).all(small) {
                    info.raises(&expr.span, "this subscript");
                }
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
                self.check_collation(collation, &expr.span);
                let operands = self.operands(expr, env);
                let mut info = self.over(&operands.iter().collect::<Vec<_>>());
                info.ty = operands.first().and_then(|operand| operand.ty.clone());
                if let Some(name) = collation.parts.last() {
                    info.collation = named(name, Collation::Said);
                }
                info
            }
            ExprKind::Default => {
                self.invalid("`DEFAULT` in this place", &expr.span);
                Info::default()
            }
            ExprKind::Special { .. } => {
                let mut info = self.children(expr, env);
                info.folds = false;
                info.raises(&expr.span, "this expression");
                info
            }
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

    pub(super) fn invalid(&mut self, what: &str, span: &Span) {
        self.problem(
            Diagnostic::error(Code::INVALID, format!("PostgreSQL refuses {what}")).at(span.clone()),
        );
    }
}

/// What a comparison that can fail is called.
pub(super) const COMPARISON: &str = "this comparison";

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
