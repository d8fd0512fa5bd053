//! Foreign keys that act on rows: a row of A that B's refers to, which A removes.

use std::collections::BTreeMap;

use watertight_analysis::catalog::{ReferentialAction, Relation, quote};
use watertight_analysis::finding::Place;

use super::super::catalogue::Attack;
use super::super::rows::{Maker, Rows, as_sql, clause, dotted};
use super::super::target::literal;
use super::keys::free;
use super::{Shot, shot};

/// One attack for each key of a table that acts when a row is removed.
pub(super) fn shots<'a>(
    attack: &'a Attack,
    relation: &'a Relation,
    maker: &Maker<'a>,
    rows: &Rows,
) -> Vec<Shot<'a>> {
    let acts = |action: ReferentialAction| {
        !matches!(
            action,
            ReferentialAction::NoAction | ReferentialAction::Restrict
        )
    };
    let [a, b] = maker.tenants;
    let mut found = Vec::new();
    for key in &relation.foreign_keys {
        let (Some(target), Some(tenant)) = (maker.catalog.get(key.target), maker.tenant(relation))
        else {
            continue;
        };
        let Some(their_tenant) = maker.tenant(target) else {
            continue;
        };
        // What belongs to a tenant's own row is that tenant's.
        let mut pairs = key.columns.iter().zip(&key.target_columns);
        if !acts(key.on_delete) || key.target == relation.id {
            continue;
        }
        let place = Place::object("table", relation.qualified());
        if pairs.any(|(own, other)| *own == tenant.name && *other == their_tenant.name) {
            let why = "the foreign key holds the tenant, so no row refers to another one's";
            found.push(Err((place, why.to_owned())));
            continue;
        }
        let columns = maker.columns.get(&dotted(relation));
        let ours = rows.filled.get(&dotted(target)).map(|filled| &filled.a);
        let (Some(columns), Some(ours), Ok(mut values)) =
            (columns, ours, maker.values(relation, b, 1, rows, 6))
        else {
            found.push(Err((
                place,
                "no rows of two tenants could be made".to_owned(),
            )));
            continue;
        };
        for (own, other) in key.columns.iter().zip(&key.target_columns) {
            let column = columns.iter().find(|column| column.name == *own);
            if let (Some(column), Some(value)) = (column, ours.get(other)) {
                values.insert(own.clone(), as_sql(value, &column.ty));
            }
        }
        let kept = Some(key.name.as_str());
        let both = format!(
            "{}; {}",
            free(relation, maker, kept),
            free(target, maker, kept)
        );
        let their_type = maker
            .columns
            .get(&dotted(target))
            .and_then(|columns| columns.iter().find(|c| c.name == their_tenant.name))
            .map_or("text", |column| column.ty.as_str());
        let words = BTreeMap::from([
            ("table", relation.qualified()),
            ("free", both),
            ("insert-b-ref", clause(&values)),
            ("target", target.qualified()),
            ("target-column", quote(&their_tenant.name)),
            ("a", format!("{}::{their_type}", literal(&a.id))),
        ]);
        found.push(shot(attack, place, Some(relation), &words));
    }
    found
}
