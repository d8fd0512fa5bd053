//! What a database itself tells of its tenants, where no configuration says so: the column, its type,
//! the setting, and tables whose tenant column has another name.
//!
//! Invariant: an inference is only a starting point that is told; a policy is never taken to be right
//! because of it. A column that a policy compares with the setting is the tenant's to that policy.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::catalog::{Catalog, PolicyExpr, quote};
use crate::config::{Config, TenantKind};
use crate::ir::{Expr, ExprKind};
use crate::policy::term;
use crate::words::{Extra, Tier, classify};

/// What was inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inferred {
    /// The tenant column and its type.
    pub column: Option<(String, TenantKind)>,
    /// The setting.
    pub setting: Option<String>,
}

/// Infers the tenant column and the setting. `policies` are the texts of the policies.
pub fn infer<'a>(facts: &Facts, policies: impl Iterator<Item = &'a str>) -> Inferred {
    let mut columns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    let names_tenant =
        |name: &str| classify(name, &extra).is_some_and(|found| found.tier == Tier::First);
    for column in &facts.columns {
        if names_tenant(&column.name) {
            columns.entry(&column.name).or_default().push(&column.ty);
        }
    }
    let column = columns
        .into_iter()
        .max_by_key(|(name, types)| (types.len(), *name == "tenant_id"))
        .map(|(name, types)| (name.to_owned(), kind(&types)));
    let mut settings: BTreeMap<String, usize> = BTreeMap::new();
    for policy in policies {
        for name in settings_in(policy) {
            *settings.entry(name).or_default() += 1;
        }
    }
    let setting = settings
        .into_iter()
        .filter(|(name, _)| name.contains('.'))
        .max_by_key(|(name, count)| {
            let last = name.rsplit('.').next().unwrap_or_default();
            (names_tenant(last), *count)
        })
        .map(|(name, _)| name);
    Inferred { column, setting }
}

/// The narrowest type: a policy may cast the setting to it, and a text column needs no cast.
fn kind(types: &[&str]) -> TenantKind {
    if types.contains(&"uuid") {
        TenantKind::Uuid
    } else if types
        .iter()
        .any(|ty| matches!(*ty, "bigint" | "integer" | "smallint"))
    {
        TenantKind::Bigint
    } else {
        TenantKind::Text
    }
}

/// The names in `current_setting('…')`.
fn settings_in(text: &str) -> Vec<String> {
    text.split("current_setting('")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned()))
        .collect()
}

impl Inferred {
    /// Puts what was inferred into a configuration.
    pub fn apply(&self, config: &mut Config) {
        if let Some((column, kind)) = &self.column {
            config.tenant.column.clone_from(column);
            config.tenant.kind = *kind;
        }
        if let Some(setting) = &self.setting {
            config.tenant.setting.clone_from(setting);
        }
    }
}

/// Directives for tables without the usual tenant column, where a policy of theirs compares another
/// column with the session's tenant.
pub fn tenant_directives(catalog: &Catalog) -> Vec<String> {
    let usual = catalog.config().tenant.column.as_str();
    let mut found = Vec::new();
    for relation in catalog.relations() {
        if !relation.is_table() || relation.directive.is_some() || relation.column(usual).is_some()
        {
            continue;
        }
        let column = relation
            .policies
            .iter()
            .flat_map(|policy| [&policy.using, &policy.check])
            .find_map(|side| match side {
                PolicyExpr::Expr(expr) => compared(catalog, expr),
                _ => None,
            });
        if let Some(column) = column.filter(|name| relation.column(name).is_some()) {
            found.push(format!(
                "COMMENT ON TABLE {} IS '@tenant {}'",
                relation.qualified(),
                quote(&column).replace('\'', "''")
            ));
        }
    }
    found
}

/// The column that an expression equates with the session's tenant.
fn compared(catalog: &Catalog, expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::And(list) => list.iter().find_map(|part| compared(catalog, part)),
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } if name.parts.last().is_some_and(|last| last == "=") => {
            let column = |expr: &Expr| match &expr.kind {
                ExprKind::Column(parts) => parts.last().cloned(),
                _ => None,
            };
            let term = |expr: &Expr| term::is_tenant_term(expr, catalog);
            match (column(left), column(right)) {
                (Some(name), _) if term(right) => Some(name),
                (_, Some(name)) if term(left) => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}
