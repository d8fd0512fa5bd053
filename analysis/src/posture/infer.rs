//! What a database itself tells of its tenants, where no configuration says so: the column, its type,
//! the setting, and tables whose tenant column has another name.
//!
//! Invariant: an inference is only a starting point that is told; a policy is never taken to be right
//! because of it. A column that a policy compares with the setting is the tenant's to that policy.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use crate::catalog::{Body, Catalog, PolicyExpr, quote};
use crate::config::{Config, TenantKind};
use crate::ir::{Expr, ExprKind, Literal, Statement, SubqueryKind};
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

/// Infers the tenant column and the setting: from what policies compare, and from names. `catalog` is
/// the database's, built without knowing either.
pub fn infer(facts: &Facts, catalog: &Catalog) -> Inferred {
    let compared = Compared::of(catalog);
    let column = column(facts, &compared).map(|name| {
        let columns = facts.columns.iter().filter(|column| column.name == name);
        let types: Vec<&str> = columns.map(|column| column.ty.as_str()).collect();
        let kind = kind(&types);
        (name, kind)
    });
    // A setting that is compared with the tenant column; else one that sounds like it.
    let beside = column
        .as_ref()
        .and_then(|(name, _)| compared.settings.get(name));
    let setting = beside.and_then(most).or_else(|| {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for (name, count) in compared.settings.values().flatten() {
            *all.entry(name.clone()).or_default() += count;
        }
        let named = all.into_iter().filter(|(name, _)| {
            names_tenant(name.rsplit('.').next().unwrap_or_default(), Tier::First)
        });
        named.max_by_key(|(_, count)| *count).map(|(name, _)| name)
    });
    Inferred { column, setting }
}

/// What policies compare with settings: by column, on how many tables, and with which settings.
#[derive(Default)]
struct Compared {
    tables: BTreeMap<String, usize>,
    settings: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Compared {
    fn of(catalog: &Catalog) -> Self {
        let mut all = Self::default();
        for relation in catalog.relations() {
            let mut here: BTreeSet<String> = BTreeSet::new();
            let sides = relation.policies.iter();
            for side in sides.flat_map(|policy| [&policy.using, &policy.check]) {
                let PolicyExpr::Expr(expr) = side else {
                    continue;
                };
                pairs(catalog, expr, &mut |column, setting| {
                    if relation.column(column).is_none() {
                        return;
                    }
                    here.insert(column.to_owned());
                    if let Some(setting) = setting {
                        let settings = all.settings.entry(column.to_owned()).or_default();
                        *settings.entry(setting).or_default() += 1;
                    }
                });
            }
            for column in here {
                *all.tables.entry(column).or_default() += 1;
            }
        }
        all
    }
}

/// The tenant column: a policy's counts before one that is a tenant's by its name alone, and the key of
/// the tenants' own table, or a user's column, only where there is nothing else.
fn column(facts: &Facts, compared: &Compared) -> Option<String> {
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for column in &facts.columns {
        if names_tenant(&column.name, Tier::First) {
            *named.entry(&column.name).or_default() += 1;
        }
    }
    let by_name = named
        .into_iter()
        .max_by_key(|(name, count)| (*count, *name == "tenant_id"));
    let by_policy = compared.tables.iter().max_by_key(|(name, count)| {
        let first = names_tenant(name, Tier::First);
        let second = names_tenant(name, Tier::Second);
        (first, !personal(name), **count, second)
    });
    match (by_policy, by_name) {
        (Some((column, tables)), Some((name, count)))
            if !names_tenant(column, Tier::First) && (count > *tables || personal(column)) =>
        {
            Some(name.to_owned())
        }
        (Some((column, _)), _) => Some(column.clone()),
        (None, by_name) => by_name.map(|(name, _)| name.to_owned()),
    }
}

/// Whether a column names its own row, or a person rather than a tenant.
fn personal(name: &str) -> bool {
    const PEOPLE: &[&str] = &[
        "user", "owner", "author", "creator", "created", "member", "uid",
    ];
    let lower = name.to_ascii_lowercase();
    lower == "id"
        || PEOPLE
            .iter()
            .any(|word| lower.starts_with(word) || lower.contains(&format!("_{word}")))
}

/// Whether a name is a tenant's, by a word of this tier or a better one.
fn names_tenant(name: &str, tier: Tier) -> bool {
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    classify(name, &extra).is_some_and(|found| found.tier == Tier::First || found.tier == tier)
}

fn most(settings: &BTreeMap<String, usize>) -> Option<String> {
    let most = settings.iter().max_by_key(|(_, count)| **count);
    most.map(|(name, _)| name.clone())
}

/// Calls `found` with each column that `expr` equates with a value of the session, and the setting that
/// the value is.
fn pairs(catalog: &Catalog, expr: &Expr, found: &mut dyn FnMut(&str, Option<String>)) {
    match &expr.kind {
        ExprKind::And(list) | ExprKind::Or(list) => {
            list.iter().for_each(|part| pairs(catalog, part, found));
        }
        ExprKind::Operator {
            name,
            left: Some(left),
            right,
        } if name.parts.last().is_some_and(|last| last == "=") => {
            for (column, value) in [(left, right), (right, left)] {
                if let (Some(column), Some(setting)) =
                    (column_of(column), session(catalog, value, 0))
                {
                    found(column, setting);
                }
            }
        }
        _ => {}
    }
}

fn column_of(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Column(parts) => parts.last().map(String::as_str),
        ExprKind::Cast { expr, .. } => column_of(expr),
        _ => None,
    }
}

/// Whether a value is the session's: the setting that it is, `None` within where it is made of one.
fn session(catalog: &Catalog, expr: &Expr, depth: usize) -> Option<Option<String>> {
    const DEEP: usize = 8;
    match &expr.kind {
        _ if depth > DEEP => None,
        ExprKind::Cast { expr, .. } => session(catalog, expr, depth),
        ExprKind::NullIf(value, _) => session(catalog, value, depth),
        ExprKind::Coalesce(list) => list.iter().find_map(|part| session(catalog, part, depth)),
        ExprKind::Subquery {
            kind: SubqueryKind::Scalar,
            query,
        } => session(catalog, term::only_value(query)?, depth),
        // A step into the JSON of claims.
        ExprKind::Operator {
            left: Some(left), ..
        } => session(catalog, left, depth).map(|_| None),
        ExprKind::Call(call) => {
            let name = call.name.parts.last()?;
            if name == "current_setting" {
                let setting = call.args.first().and_then(text)?;
                return Some(Some(setting).filter(|name| name.contains('.')));
            }
            let mut named = catalog.all_functions().iter().filter(|it| it.name == *name);
            named.find_map(|function| {
                let statements = match (&function.body, &function.returned) {
                    (Body::Sql { statements, .. }, _) => statements,
                    (_, Some(returned)) => returned,
                    (Body::Opaque { text, .. }, _) => {
                        return text.contains("current_setting").then_some(None);
                    }
                };
                match statements.as_slice() {
                    [Statement::Query(query)] => {
                        session(catalog, term::only_value(query)?, depth + 1)
                    }
                    _ => None,
                }
            })
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        ExprKind::Cast { expr, .. } => text(expr),
        _ => None,
    }
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
