//! Rows that meet keys: what refers to B's rows, what has their values, and how foreign keys are dropped
//! where they would hide what a policy lets through.

use std::collections::BTreeMap;

use watertight_analysis::catalog::{KeyKind, Relation, quote};

use super::super::rows::{Maker, Rows, as_sql, dotted};

/// A row of A whose references are B's rows.
pub(super) fn referring(
    relation: &Relation,
    maker: &Maker<'_>,
    rows: &Rows,
) -> Option<BTreeMap<String, String>> {
    let [a, _] = maker.tenants;
    let mut values = maker.values(relation, a, 0, rows, 8).ok()?;
    let tenant = &maker.tenant(relation)?.name;
    let columns = maker.columns.get(&dotted(relation))?;
    let mut any = false;
    for key in &relation.foreign_keys {
        let target = maker.catalog.get(key.target)?;
        let theirs = rows
            .filled
            .get(&dotted(target))
            .filter(|_| maker.tenant(target).is_some());
        let Some(theirs) = theirs else { continue };
        for (own, other) in key.columns.iter().zip(&key.target_columns) {
            if own == tenant {
                continue;
            }
            let ty = columns
                .iter()
                .find(|c| c.name == *own)
                .map_or("text", |c| c.ty.as_str());
            values.insert(own.clone(), as_sql(theirs.b.get(other)?, ty));
            any = true;
        }
    }
    any.then_some(values)
}

/// For each unique key that leaves the tenant out: its name, whether the row surely falls under it, and
/// a row of A with B's values.
pub(super) fn taken(
    relation: &Relation,
    maker: &Maker<'_>,
    rows: &Rows,
) -> Vec<(String, bool, BTreeMap<String, String>)> {
    let [a, _] = maker.tenants;
    let (Ok(values), Some(tenant), Some(columns), Some(filled)) = (
        maker.values(relation, a, 0, rows, 9),
        maker.tenant(relation).map(|column| &column.name),
        maker.columns.get(&dotted(relation)),
        rows.filled.get(&dotted(relation)),
    ) else {
        return Vec::new();
    };
    let ty = |name: &String| {
        let column = columns.iter().find(|c| c.name == *name);
        column.map_or("text", |c| c.ty.as_str())
    };
    let primary: Vec<&String> = relation
        .keys
        .iter()
        .filter(|key| key.kind == KeyKind::Primary)
        .flat_map(|key| key.columns.iter().flatten())
        .collect();
    let mut found = Vec::new();
    for key in &relation.keys {
        let names: Vec<&String> = key.columns.iter().flatten().collect();
        let surrogate = !names.is_empty()
            && names
                .iter()
                .all(|name| columns.iter().any(|c| c.name == **name && c.base == "uuid"));
        if key.kind == KeyKind::Primary || names.contains(&tenant) || surrogate {
            continue;
        }
        let whole = !key.partial && names.len() == key.columns.len();
        let copied: Vec<&String> = if whole {
            names
        } else {
            // What an expression or a predicate reads is not asked: everything is the same.
            let plain = columns.iter().filter(|c| {
                let refers = relation
                    .foreign_keys
                    .iter()
                    .any(|key| key.columns.contains(&c.name));
                !c.generated && c.name != *tenant && !primary.contains(&&c.name) && !refers
            });
            plain.map(|c| &c.name).collect()
        };
        let mut values = values.clone();
        let mut sure = whole;
        for name in copied {
            match filled.b.get(name) {
                Some(value) if !value.is_null() => {
                    values.insert(name.clone(), as_sql(value, ty(name)));
                }
                _ => sure = false,
            }
        }
        found.push((key.name.clone(), sure, values));
    }
    found
}

/// Statements that drop the foreign keys of a table and to it, but one.
pub(super) fn free(relation: &Relation, maker: &Maker<'_>, kept: Option<&str>) -> String {
    let own = relation.foreign_keys.iter().map(|key| (relation, key));
    let to = relation.referenced_by.iter().filter_map(|(id, at)| {
        let other = maker.catalog.get(*id)?;
        Some((other, other.foreign_keys.get(*at)?))
    });
    let statements: Vec<String> = own
        .chain(to)
        // A partition's is its parent's, has no name of its own here, and goes with that.
        .filter(|(_, key)| !key.name.is_empty() && kept != Some(key.name.as_str()))
        .map(|(table, key)| {
            format!(
                "ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}",
                table.qualified(),
                quote(&key.name)
            )
        })
        .collect();
    if statements.is_empty() {
        "SELECT 1".to_owned()
    } else {
        statements.join("; ")
    }
}
