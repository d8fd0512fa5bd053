//! Conditions to facts: which conjuncts equate which values.
//!
//! Invariant: a fact is a strict equality of PostgreSQL's own `=` on types where equal means the
//! same; it holds in every combination of rows that passes the condition.

use super::state::{Env, Fact, Guard, Info, Membership, Node, Prover};
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, Name, SubqueryKind};

impl<'a> Prover<'a> {
    /// Walks a condition of `WHERE` or `ON`, takes its facts and refuses errors that tell.
    pub(super) fn condition(&mut self, expr: &'a Expr, env: &Env, place: &str) {
        match &expr.kind {
            ExprKind::And(list) => {
                for conjunct in list {
                    self.conjunct(conjunct, env, place);
                }
            }
            _ => self.conjunct(expr, env, place),
        }
    }

    fn conjunct(&mut self, expr: &'a Expr, env: &Env, place: &str) {
        self.last_output = None;
        let info = self.expr(expr, env);
        let output = self.last_output;
        self.leaks(&info);
        self.observe(&info.exposed, info.leak.as_ref());
        // Facts walk the operands once more, without a word about what the first walk reported.
        let problems = self.problems.len();
        let text = format!("`{}` ({place})", self.text(expr));
        self.facts(expr, env, &text, output);
        self.problems.truncate(problems);
    }

    fn facts(&mut self, expr: &'a Expr, env: &Env, text: &str, output: Option<usize>) {
        match &expr.kind {
            ExprKind::IsBool {
                expr,
                test: crate::ir::BoolTest::True,
            } => self.facts(expr, env, text, None),
            ExprKind::Operator {
                name,
                left: Some(left),
                right,
            } if self.is_equality(name) => self.equate(left, right, env, text),
            ExprKind::Distinct {
                negated: true,
                left,
                right,
            } if !self.equality_shadowed => {
                // `$tenant` is never NULL; a setting can be.
                for (value, other) in [(left, right), (right, left)] {
                    if self.is_tenant_parameter(other) {
                        self.equate(value, other, env, text);
                    }
                }
            }
            ExprKind::InList {
                negated: false,
                left,
                list,
            } if !self.equality_shadowed => {
                if let [only] = list.as_slice() {
                    self.equate(left, only, env, text);
                }
            }
            ExprKind::Subquery {
                kind: SubqueryKind::Any { left, operator },
                ..
            } if self.is_equality(operator) => {
                if let Some(output) = output {
                    let parts = match &left.kind {
                        ExprKind::Row(parts) => parts.iter().collect(),
                        _ => vec![&**left],
                    };
                    let nodes = self.membership_nodes(&parts, output, env);
                    let membership = Membership {
                        left: nodes,
                        output,
                        guard: env.guard.clone(),
                        text: text.to_owned(),
                    };
                    if let Some(block) = self.blocks.get_mut(env.block) {
                        block.memberships.push(membership);
                    }
                }
            }
            _ => {}
        }
    }

    fn membership_nodes(
        &mut self,
        parts: &[&'a Expr],
        output: usize,
        env: &Env,
    ) -> Vec<Option<Node>> {
        let columns = self
            .outputs
            .get(output)
            .and_then(|output| output.columns.clone())
            .unwrap_or_default();
        if columns.len() != parts.len() {
            return Vec::new();
        }
        parts
            .iter()
            .zip(columns)
            .map(|(part, column)| {
                let info = self.operand(part, env)?;
                self.comparable(&info, &column.info).then_some(info.node)?
            })
            .collect()
    }

    fn equate(&mut self, left: &'a Expr, right: &'a Expr, env: &Env, text: &str) {
        if let (ExprKind::Row(a), ExprKind::Row(b)) = (&left.kind, &right.kind) {
            if a.len() == b.len() {
                for (left, right) in a.iter().zip(b) {
                    self.equate(left, right, env, text);
                }
            }
            return;
        }
        let (Some(a), Some(b)) = (self.operand(left, env), self.operand(right, env)) else {
            return;
        };
        if let (Some(x), Some(y)) = (a.node, b.node)
            && x != y
            && self.comparable(&a, &b)
        {
            let fact = Fact {
                a: x,
                b: y,
                guard: Guard::clone(&env.guard),
                text: text.to_owned(),
            };
            self.push_fact(env.block, fact);
        }
    }

    /// The value of an operand that facts are about; walking anything else again would count its
    /// sub-queries twice.
    fn operand(&mut self, expr: &'a Expr, env: &Env) -> Option<Info> {
        let simple =
            |expr: &Expr| matches!(expr.kind, ExprKind::Column(_) | ExprKind::Parameter(_));
        let followed = match &expr.kind {
            ExprKind::Cast { expr: inner, .. } => {
                simple(inner)
                    || matches!(&inner.kind, ExprKind::Cast { expr, .. } if simple(expr))
                    || self.is_setting(expr)
            }
            ExprKind::Call(_) | ExprKind::NullIf(..) => self.is_setting(expr),
            ExprKind::Subquery { .. } => self.is_setting(expr) || self.is_tenant_parameter(expr),
            _ => simple(expr),
        };
        followed.then(|| self.expr(expr, env))
    }

    /// Whether two values are of one family, where equal means the same.
    pub(super) fn comparable(&self, a: &Info, b: &Info) -> bool {
        let family = |info: &Info| info.ty.as_ref().and_then(Ty::family);
        let family = (family(a), family(b));
        matches!(family, (Some(a), Some(b)) if a == b)
            && !self.loose_collation(a.node)
            && !self.loose_collation(b.node)
    }

    /// Whether a column has a collation of its own under which different texts may be equal.
    fn loose_collation(&self, node: Option<Node>) -> bool {
        let Some(Node::Column(rte, index)) = node else {
            return false;
        };
        match self.rtes.get(rte).map(|rte| &rte.kind) {
            Some(super::state::RteKind::Base(base)) => base
                .relation
                .columns
                .get(index)
                .and_then(|column| column.collation.as_ref())
                .and_then(|collation| collation.parts.last())
                .is_some_and(|name| self.catalog.shadows_collation(name)),
            _ => false,
        }
    }

    /// Whether an operator is PostgreSQL's own `=`.
    fn is_equality(&self, name: &Name) -> bool {
        match name.parts.as_slice() {
            [name] => name == "=" && !self.equality_shadowed,
            [schema, name] => schema == "pg_catalog" && name == "=",
            _ => false,
        }
    }

    /// Whether an expression is the parameter `$tenant`, possibly cast to its own type.
    pub(super) fn is_tenant_parameter(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Parameter(number) => {
                self.context.origin.is_none() && self.prepared.tenant == Some(*number)
            }
            ExprKind::Cast { expr, ty } => {
                ty.modifiers.is_empty()
                    && Ty::of(ty) == Some(self.tenant_type())
                    && self.is_tenant_parameter(expr)
            }
            ExprKind::Subquery {
                kind: SubqueryKind::Scalar,
                query,
            } => match &query.body {
                crate::ir::QueryBody::Select(select)
                    if select.from.is_empty()
                        && select.filter.is_none()
                        && select.having.is_none()
                        && select.group_by.is_empty()
                        && !select.grouping_sets
                        && query.with.is_none()
                        && query.limit.is_none()
                        && query.offset.is_none() =>
                {
                    matches!(select.targets.as_slice(), [target]
                        if self.is_tenant_parameter(&target.expr))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The text of an expression, for a derivation.
    fn text(&self, expr: &Expr) -> String {
        match &self.context.origin {
            None => {
                let text = self.prepared.source_text(&expr.span);
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                if text.chars().count() > 120 {
                    text.chars().take(119).chain(['…']).collect()
                } else {
                    text
                }
            }
            Some((_, what)) => format!("a condition of {what}"),
        }
    }
}
