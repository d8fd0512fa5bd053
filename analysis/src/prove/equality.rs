//! Conditions to facts: each conjunct, the operands that are followed, and which are comparable.
//!
//! Invariant: a fact is a strict equality of PostgreSQL's own `=` on types where equal means the
//! same; it holds in every combination of rows that passes the condition.

use super::state::{Env, Existence, Fact, Guard, Info, Membership, OutputSource, Prover};
use crate::functions::types::Ty;
use crate::ir::{Expr, ExprKind, IndirectionStep, Query, SubqueryKind};

/// `EXISTS (…)`, `NOT EXISTS (…)` or `IN (…)` as a whole conjunct. `NOT IN` is no join: it is asked row by
/// row, and PostgreSQL takes it for the cheapest condition of all.
fn top_exists(expr: &Expr) -> Option<*const Query> {
    match &expr.kind {
        ExprKind::Not(inner) => match &inner.kind {
            ExprKind::Subquery {
                kind: SubqueryKind::Any { .. },
                ..
            } => None,
            _ => top_exists(inner),
        },
        ExprKind::Subquery {
            kind: SubqueryKind::Exists | SubqueryKind::Any { .. },
            query,
        } => Some(std::ptr::from_ref::<Query>(query)),
        _ => None,
    }
}

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
        let top = std::mem::replace(&mut self.top_exists, top_exists(expr));
        let watermark = self.watch.len();
        self.begin_watch();
        let info = self.expr(expr, env);
        let fails = self.watch.pop().and_then(|watched| watched.fails);
        self.watch.truncate(watermark);
        self.top_exists = top;
        self.note_risk(env.block, fails.as_ref());
        self.refuse_late(expr);
        self.leaks(&info, env.block, Some(&expr.span));
        self.observe(&info.exposed, info.leak.as_ref());
        // Facts walk the operands once more, without a word about what the first walk reported; that
        // one has read the bodies of all functions.
        let problems = self.problems.len();
        let implied = self.implied(expr, true, env);
        self.problems.truncate(problems);
        let known = !implied.pairs.is_empty() || !implied.members.is_empty();
        if info.from_tenant
            && !known
            && let Some(block) = self.blocks.get_mut(env.block)
        {
            block.probes = true;
        }
        let text = format!("`{}` ({place})", self.text(expr));
        for (a, b, kind) in implied.pairs {
            let fact = Fact {
                a,
                b,
                guard: Guard::clone(&env.guard),
                kind,
                text: text.clone(),
            };
            self.push_fact(env.block, fact);
        }
        for (left, output) in implied.members {
            let membership = Membership {
                left,
                output,
                guard: env.guard.clone(),
                text: text.clone(),
            };
            if let Some(block) = self.blocks.get_mut(env.block) {
                block.memberships.push(membership);
            }
        }
        for sub_query in implied.existing {
            // An aggregate gives a row where nothing meets the conditions.
            let Some(OutputSource::Block {
                block,
                from_rows: true,
            }) = self.outputs.get(sub_query.output).map(|o| &o.source)
            else {
                continue;
            };
            let existence = Existence {
                block: *block,
                inner: sub_query.inner,
                guard: env.guard.clone(),
                text: text.clone(),
            };
            if let Some(block) = self.blocks.get_mut(env.block) {
                block.existences.push(existence);
            }
        }
    }

    /// The value of an operand that facts are about; walking anything else again would count its
    /// sub-queries twice.
    pub(super) fn operand(&mut self, expr: &'a Expr, env: &Env) -> Option<Info> {
        let simple = |expr: &Expr| {
            matches!(&expr.kind, ExprKind::Column(_) | ExprKind::Parameter(_))
                // `(t).column`.
                || matches!(&expr.kind, ExprKind::Indirection { expr, steps }
                    if matches!(expr.kind, ExprKind::Column(_)) && matches!(steps.as_slice(), [IndirectionStep::Field(_)]))
        };
        let followed = match &expr.kind {
            ExprKind::Cast { expr: inner, .. } => {
                simple(inner)
                    || matches!(&inner.kind, ExprKind::Cast { expr, .. } if simple(expr))
                    || self.setting(expr).is_some()
            }
            ExprKind::Call(_) | ExprKind::NullIf(..) => self.setting(expr).is_some(),
            ExprKind::Subquery { .. } => {
                self.setting(expr).is_some() || self.is_tenant_parameter(expr)
            }
            _ => simple(expr),
        };
        followed.then(|| self.expr(expr, env))
    }

    /// Whether a value has a type whose equality with the tenant's is identity.
    pub(super) fn fits_tenant(&self, info: &Info) -> bool {
        self.comparable(info, &self.tenant_info())
    }

    /// Whether two values are of one family, where equal means the same.
    pub(super) fn comparable(&self, a: &Info, b: &Info) -> bool {
        let family = |info: &Info| info.ty.as_ref().and_then(Ty::family);
        let family = (family(a), family(b));
        matches!(family, (Some(a), Some(b)) if a == b) && !a.loose && !b.loose
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
