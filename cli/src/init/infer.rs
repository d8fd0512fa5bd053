//! What names the tenant, by the catalog that the migrations make.
//!
//! Invariant: an inference says why, and where several columns could be meant nothing is chosen.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use watertight_analysis::Catalog;
use watertight_analysis::catalog::{Column, Relation, RelationId, RelationKind, type_text};
use watertight_analysis::config::TenantKind;
use watertight_analysis::words::{Extra, Tier, classify};

/// What was inferred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tenant {
    pub(super) column: String,
    pub(super) kind: TenantKind,
    /// Why this column.
    pub(super) why: String,
}

/// How often a column occurs, and in what.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    first_tier: bool,
    tables: usize,
    /// How often it refers to another table.
    references: usize,
    uuid: usize,
    number: usize,
}

/// The tables that rows live in, without partitions, which are their parents'.
pub(super) fn tables(catalog: &Catalog) -> impl Iterator<Item = &Relation> {
    catalog
        .relations()
        .filter(|relation| relation.kind == RelationKind::Table)
}

/// Finds the tenant column, or says what could be meant.
pub(super) fn infer(catalog: &Catalog, asked: Option<&str>) -> Result<Tenant> {
    let counts = counts(catalog, asked);
    if let Some(asked) = asked {
        let Some(count) = counts.get(asked) else {
            bail!(
                "no table has a column `{asked}`; the tenant's id is one of those that several tables share"
            );
        };
        return Ok(tenant(
            asked,
            *count,
            "named by `--tenant-column`".to_owned(),
        ));
    }
    let all = tables(catalog).count();
    // A word that names the tenant in some products alone has to hold half of the tables together.
    let likely = |name: &str, count: &Count| {
        count.first_tier || (count.tables > 1 && covered(catalog, name) * 2 >= all)
    };
    let mut found: Vec<(&str, Count)> = counts
        .iter()
        .filter(|(name, count)| likely(name, count))
        .map(|(name, count)| (*name, *count))
        .collect();
    let rank = |count: &Count| (count.first_tier, count.references + count.tables * 2);
    found.sort_by_key(|(name, count)| (std::cmp::Reverse(rank(count)), *name != "tenant_id"));
    match found.as_slice() {
        [] => {
            let names: Vec<String> = counts.keys().map(|name| format!("`{name}`")).collect();
            let perhaps = match names.is_empty() {
                true => String::new(),
                false => format!("; perhaps one of {}", names.join(", ")),
            };
            bail!(
                "no column of the migrations looks like a tenant's{perhaps}\n  \
                 help: name it: `cargo watertight init --tenant-column NAME`; where there is none yet, the tables that hold tenants' rows need one first"
            )
        }
        [(name, first), (other, second), ..]
            if rank(first) == rank(second) && *name != "tenant_id" =>
        {
            bail!(
                "`{name}` and `{other}` could both name the tenant: each is in {} tables\n  \
                 help: say which: `cargo watertight init --tenant-column {name}`",
                first.tables
            )
        }
        [(name, count), ..] => {
            let mut why = format!(
                "{} of {all} {} it",
                count.tables,
                if all == 1 { "table has" } else { "tables have" }
            );
            if !count.first_tier {
                why.push_str("; the word names a tenant in some products only, and `--tenant-column` names another");
            }
            Ok(tenant(name, *count, why))
        }
    }
}

/// How many tables have the column, or belong by foreign keys to those that have it.
fn covered(catalog: &Catalog, column: &str) -> usize {
    let mut found: BTreeSet<RelationId> = BTreeSet::new();
    for relation in tables(catalog).filter(|relation| relation.column(column).is_some()) {
        found.insert(relation.id);
        let keys = relation.foreign_keys.iter();
        let lists = keys.filter(|key| key.columns.iter().any(|own| own == column));
        found.extend(lists.map(|key| key.target));
    }
    loop {
        let more: Vec<RelationId> = tables(catalog)
            .filter(|relation| !found.contains(&relation.id))
            .filter(|relation| {
                relation
                    .foreign_keys
                    .iter()
                    .any(|key| found.contains(&key.target))
            })
            .map(|relation| relation.id)
            .collect();
        if more.is_empty() {
            return found.len();
        }
        found.extend(more);
    }
}

fn tenant(column: &str, count: Count, why: String) -> Tenant {
    let kind = match (count.uuid, count.number) {
        (0, 0) => TenantKind::Text,
        (uuid, number) if uuid >= number => TenantKind::Uuid,
        _ => TenantKind::Bigint,
    };
    Tenant {
        column: column.to_owned(),
        kind,
        why,
    }
}

fn counts<'a>(catalog: &'a Catalog, asked: Option<&str>) -> BTreeMap<&'a str, Count> {
    let extra = Extra {
        tenant_column: "tenant_id".to_owned(),
        ..Extra::default()
    };
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for relation in tables(catalog) {
        for column in &relation.columns {
            let tier = classify(&column.name, &extra).map(|found| found.tier);
            let wanted = tier.is_some() || asked == Some(column.name.as_str());
            let Some(kind) = kind(column).filter(|_| wanted) else {
                continue;
            };
            let count = counts.entry(column.name.as_str()).or_default();
            count.first_tier |= tier == Some(Tier::First);
            count.tables += 1;
            let refers = relation
                .foreign_keys
                .iter()
                .any(|key| key.columns.contains(&column.name));
            count.references += usize::from(refers);
            match kind {
                TenantKind::Uuid => count.uuid += 1,
                TenantKind::Bigint => count.number += 1,
                _ => {}
            }
        }
    }
    counts
}

/// What kind of tenant identifier a column could hold.
fn kind(column: &Column) -> Option<TenantKind> {
    let ty = column.ty.as_ref().filter(|ty| ty.dimensions == 0)?;
    let text = type_text(ty);
    Some(match text.split('(').next().unwrap_or_default().trim() {
        "uuid" => TenantKind::Uuid,
        "bigint" | "int8" | "integer" | "int4" | "smallint" | "int2" => TenantKind::Bigint,
        "text" | "varchar" | "character varying" => TenantKind::Text,
        _ => return None,
    })
}

/// The setting that policies of the migrations read already; else the usual one.
pub(super) fn setting<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut settings: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        let after = text.split("current_setting('").skip(1);
        for name in after.filter_map(|rest| Some(rest.split_once('\'')?.0)) {
            let own = name.split('.').count() == 2;
            let tenant = name.rsplit('.').next().is_some_and(|last| {
                let extra = Extra::default();
                classify(last, &extra).is_some_and(|found| found.tier == Tier::First)
            });
            if own && tenant {
                *settings.entry(name).or_default() += 1;
            }
        }
    }
    let most = settings.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(name, _)| name.to_owned())
}
