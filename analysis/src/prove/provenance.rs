//! Which columns carry the tenant: those that are it, that are computed of it, or that refer to it.
//!
//! This marks outputs for the boundary of a tool; no proof rests on it.

use super::state::{OutputId, Prover};
use super::walk::children;
use crate::catalog::walk::statement_mentions;
use crate::catalog::{Body, ColumnDefault, Relation};
use crate::ir::{Expr, ExprKind, Insert};
use crate::policy::term::term_type;

impl Prover<'_> {
    /// Whether the values of a column of a table are the tenant, are computed of it, or name it in
    /// the registry of tenants.
    pub(super) fn carries_tenant(&self, relation: &Relation, index: usize) -> bool {
        let Some(column) = relation.columns.get(index) else {
            return false;
        };
        if is_tenant_column(self, relation, index) {
            return true;
        }
        if let ColumnDefault::Expr(expr) | ColumnDefault::Generated(expr) = &column.default
            && self.computes_tenant(relation, expr)
        {
            return true;
        }
        if relation.told_by_triggers.contains(&column.name) {
            return true;
        }
        relation.foreign_keys.iter().any(|key| {
            let Some(target) = self.catalog.get(key.target) else {
                return false;
            };
            let pairs = key.columns.iter().zip(&key.target_columns);
            pairs
                .filter(|(own, _)| **own == column.name)
                .any(|(_, there)| target.tenant().is_some_and(|tenant| tenant.name == *there))
        })
    }

    /// Whether a stored expression reads the tenant column or the tenant of the session.
    fn computes_tenant(&self, relation: &Relation, expr: &Expr) -> bool {
        let here = match &expr.kind {
            ExprKind::Column(parts) => parts.last().is_some_and(|name| {
                relation
                    .column(name)
                    .is_some_and(|(index, _)| is_tenant_column(self, relation, index))
            }),
            ExprKind::Call(call) => {
                let name = call.name.parts.last();
                name.is_some_and(|name| self.reads_setting(name, &mut Vec::new()))
            }
            _ => false,
        };
        here || term_type(expr, self.catalog).is_some()
            || children(expr)
                .into_iter()
                .any(|part| self.computes_tenant(relation, part))
    }

    /// Whether a function of the migrations of this name, in any schema, reads a setting, itself or
    /// through others. `seen` are those on the way.
    fn reads_setting(&self, name: &str, seen: &mut Vec<String>) -> bool {
        if name == "current_setting" {
            return true;
        }
        if seen.iter().any(|known| known == name) {
            return false;
        }
        seen.push(name.to_owned());
        let named = self.catalog.all_functions().iter();
        let mut named = named.filter(|function| function.name == name);
        named.any(|function| match &function.body {
            Body::Sql { statements, .. } => statements.iter().any(|statement| {
                let called = statement_mentions(statement).functions;
                called.iter().any(|name| self.reads_setting(name, seen))
            }),
            // By its words, which are more than what it calls.
            Body::Opaque { text, .. } => {
                let text = text.to_lowercase();
                let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                words.any(|word| self.reads_setting(word, seen))
            }
        })
    }

    /// The columns of the table that an INSERT gives values computed of the tenant.
    pub(super) fn given_tenant(
        &self,
        relation: &Relation,
        insert: &Insert,
        source: Option<OutputId>,
    ) -> Vec<usize> {
        let source = source.and_then(|output| self.outputs.get(output));
        let values = source.and_then(|output| output.columns.as_ref());
        let values = values.into_iter().flatten().enumerate();
        values
            .filter(|(_, column)| column.info.from_tenant)
            .filter_map(|(position, _)| {
                if insert.columns.is_empty() {
                    return Some(position);
                }
                let name = &insert.columns.get(position)?.name;
                Some(relation.column(name)?.0)
            })
            .collect()
    }
}

fn is_tenant_column(prover: &Prover<'_>, relation: &Relation, index: usize) -> bool {
    relation.tenant_column == Some(index)
        || relation
            .columns
            .get(index)
            .is_some_and(|column| column.name == prover.catalog.config().tenant.column)
}
