//! Creates and changes policies; their expressions are bound as they are written.

use super::bind;
use super::build::Builder;
use super::model::{Policy, PolicyExpr};
use super::walk::mentions;
use crate::ddl::ir::{Maybe, PolicyStatement};
use crate::ir::Expr;

impl Builder {
    fn policy_expr(&self, expr: Option<Maybe<Expr>>) -> PolicyExpr {
        match expr {
            None => PolicyExpr::None,
            Some(Err(why)) => PolicyExpr::Opaque(why),
            Some(Ok(mut expr)) => match bind::expr(&mut expr, self) {
                Ok(_) => PolicyExpr::Expr(expr),
                Err(why) => PolicyExpr::Opaque(why),
            },
        }
    }

    pub(super) fn create_policy(&mut self, policy: PolicyStatement) {
        let Some(id) = self.target(&policy.table) else {
            self.missing("table", &policy.table);
            return;
        };
        let (using, check) = (
            self.policy_expr(policy.using),
            self.policy_expr(policy.check),
        );
        let written_in = self.at.path.clone();
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        if relation
            .policies
            .iter()
            .any(|existing| existing.name == policy.name)
        {
            self.unknown(
                id,
                &format!("its policy `{}` is created twice", policy.name),
            );
            return;
        }
        let reads = reads_others(&using) || reads_others(&check);
        relation.policies.push(Policy {
            name: policy.name,
            permissive: policy.permissive,
            command: policy.command,
            roles: policy.roles,
            using,
            check,
            written_in,
        });
        if reads {
            self.readers.insert(id);
        }
    }

    pub(super) fn alter_policy(&mut self, change: PolicyStatement) {
        let Some(id) = self.target(&change.table) else {
            self.missing("table", &change.table);
            return;
        };
        let using = change.using.map(|expr| self.policy_expr(Some(expr)));
        let check = change.check.map(|expr| self.policy_expr(Some(expr)));
        let written_in = self.at.path.clone();
        let Some(relation) = self.relation_mut(id) else {
            return;
        };
        let Some(policy) = relation
            .policies
            .iter_mut()
            .find(|policy| policy.name == change.name)
        else {
            self.unknown(
                id,
                &format!(
                    "its policy `{}` is changed, but no migration creates it",
                    change.name
                ),
            );
            return;
        };
        policy.written_in = written_in;
        let reads = [&using, &check].into_iter().flatten().any(reads_others);
        if !change.roles.is_empty() {
            policy.roles = change.roles;
        }
        if let Some(using) = using {
            policy.using = using;
        }
        if let Some(check) = check {
            policy.check = check;
        }
        if reads {
            self.readers.insert(id);
        }
    }
}

/// Whether a policy's expression has a sub-query over a relation, or may have.
fn reads_others(expr: &PolicyExpr) -> bool {
    match expr {
        PolicyExpr::None => false,
        PolicyExpr::Opaque(_) => true,
        PolicyExpr::Expr(expr) => !mentions(expr).relations.is_empty(),
    }
}

/// Whether a policy depends on a column of its own table; nothing where that can't be told.
pub(super) fn policy_mentions_column(policy: &Policy, name: &str) -> Option<bool> {
    let mut found = false;
    for expr in [&policy.using, &policy.check] {
        match expr {
            PolicyExpr::None => {}
            PolicyExpr::Opaque(_) => return None,
            PolicyExpr::Expr(expr) => {
                let seen = mentions(expr);
                let named = seen.columns.iter().any(|column| column == name);
                if seen.complex && named {
                    return None;
                }
                found |= named;
            }
        }
    }
    Some(found)
}

/// Whether a policy has a sub-query over this relation.
pub(super) fn policy_reads(policy: &Policy, relation: &[String]) -> bool {
    [&policy.using, &policy.check]
        .into_iter()
        .any(|expr| match expr {
            PolicyExpr::Expr(expr) => mentions(expr).relations.iter().any(|name| name == relation),
            PolicyExpr::None => false,
            PolicyExpr::Opaque(_) => true,
        })
}
