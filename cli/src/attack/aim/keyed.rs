//! Functions that are asked for the other tenant's rows by a key or by its identifier.

use std::collections::BTreeMap;

use watertight_analysis::catalog::KeyKind;

use super::super::catalogue::Attack;
use super::super::rows::{Maker, Rows, as_sql, dotted};
use super::super::target::literal;
use super::{Objects, Shot, function_place, qualified, shot};

/// Functions of one argument, called with a key of B's rows or with B's identifier.
pub(super) fn keyed<'a>(
    attack: &'a Attack,
    objects: &Objects,
    maker: &Maker<'a>,
    rows: &Rows,
) -> Vec<Shot<'a>> {
    const MOST: usize = 5;
    let [_, b] = maker.tenants;
    let mut keys: Vec<(String, String)> = Vec::new();
    for relation in rows.tenanted(maker) {
        let columns = maker.columns.get(&dotted(relation));
        let ty = |name: &str| {
            let column = columns?.iter().find(|c| c.name == name)?;
            Some(column.ty.clone())
        };
        let tenant = maker.tenant(relation).and_then(|column| ty(&column.name));
        let primary = relation
            .keys
            .iter()
            .find(|key| key.kind == KeyKind::Primary);
        let name = primary.and_then(|key| match key.columns.as_slice() {
            [Some(name)] => Some(name),
            _ => None,
        });
        let row = rows.filled.get(&dotted(relation)).map(|filled| &filled.b);
        let value = name.and_then(|name| Some((ty(name)?, row?.get(name)?)));
        // A text that comes back would look like a row.
        if let Some((ty, value)) = value.filter(|(_, value)| !value.to_string().contains(&b.mark)) {
            keys.push((ty.clone(), as_sql(value, &ty)));
        }
        if let Some(ty) = tenant {
            keys.push((ty.clone(), format!("{}::{ty}", literal(&b.id))));
        }
    }
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for held in objects
        .functions
        .iter()
        .filter(|held| held.executable && held.kind == "f" && !held.returns.ends_with("trigger"))
    {
        if held.arguments.is_empty() || held.arguments.contains(',') {
            continue;
        }
        if let Some(why) = objects.risks.function(&held.schema, &held.name) {
            found.push(Err((function_place(held), why)));
            continue;
        }
        let fits = keys
            .iter()
            .filter(|(ty, _)| held.arguments == *ty || held.arguments.ends_with(&format!(" {ty}")));
        for (_, key) in fits.take(MOST) {
            let name = qualified(&held.schema, &held.name);
            let words = BTreeMap::from([("function", name), ("key", key.clone())]);
            found.push(shot(attack, function_place(held), None, &words));
        }
    }
    found
}
