//! Rows of one database state.
//!
//! Invariant: two states of one schema agree on every row of the session's tenant and on every global
//! row, and on nothing else. The session's tenant has no value that could make a generated
//! expression fail; other tenants have.

use super::{Owner, Schema, Table, Ty};
use crate::choice::Rng;

/// Which rows other tenants have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The schema's own number, the same for both states.
    pub seed: u64,
    /// 0 or 1.
    pub side: u64,
    /// True: the others mirror the session's tenant in one state and do not exist in the other.
    pub alone: bool,
}

impl State {
    /// Whether the session's tenant has no row in this table.
    fn empty(self, table: usize) -> bool {
        Rng::of(&[self.seed, table as u64, 77]).below(12) == 0
    }
}

/// The statements that fill the tables, in order.
pub fn rows(schema: &Schema, state: State) -> Vec<String> {
    let mut ids: Vec<Vec<(Option<usize>, i64)>> = Vec::new();
    let mut out = Vec::new();
    for (number, table) in schema.tables.iter().enumerate() {
        // Partitions are filled through their parent.
        if table.parent.is_some() && table.partition.is_some() {
            ids.push(Vec::new());
            continue;
        }
        let mut written = Vec::new();
        let names: Vec<&str> = table
            .columns
            .iter()
            .filter(|c| !c.generated)
            .map(|c| c.name.as_str())
            .collect();
        for who in owners(table, state) {
            let mut rng = match who {
                Some(0) => Rng::of(&[state.seed, number as u64, 0]),
                _ if matches!(table.owner, Owner::Global) => {
                    Rng::of(&[state.seed, number as u64, 0])
                }
                // In a mirror the others have what the session's tenant has, and one row more.
                Some(_) if state.alone => Rng::of(&[state.seed, number as u64, 0]),
                who => Rng::of(&[
                    state.seed,
                    number as u64,
                    1 + who.unwrap_or(9) as u64,
                    1 + state.side,
                ]),
            };
            let own = who == Some(0) || matches!(table.owner, Owner::Global);
            let count = if own {
                3 + rng.below(3)
            } else {
                2 + rng.below(5)
            };
            // Now and then the session's tenant has none: whether others have any must not show.
            let count = match table.name.as_str() {
                "tenants" => 1,
                "plans" => count,
                _ if own && state.empty(number) => 0,
                _ => count,
            };
            for i in 0..count {
                let id = id_of(table, who, i);
                written.push((who, id));
                let values: Vec<String> = names
                    .iter()
                    .map(|name| {
                        value(
                            schema, table, name, who, id, i, own, &ids, &written, &mut rng,
                        )
                    })
                    .collect();
                out.push(format!(
                    "INSERT INTO {} ({}) VALUES ({})",
                    table.path(),
                    names.join(", "),
                    values.join(", ")
                ));
            }
        }
        ids.push(written);
    }
    out
}

/// Whose rows a table has: `Some(0)` is the session's tenant, `None` is nobody.
fn owners(table: &Table, state: State) -> Vec<Option<usize>> {
    let nullable = table
        .tenant()
        .is_some_and(|t| table.column(t).is_some_and(|c| !c.not_null));
    match &table.owner {
        Owner::Global => vec![Some(0)],
        Owner::Nobody if state.alone && state.side == 1 => Vec::new(),
        Owner::Nobody => vec![Some(1), None],
        Owner::Tenant(_) if state.alone && state.side == 1 => vec![Some(0)],
        Owner::Tenant(_) if nullable => vec![Some(0), Some(1), Some(2), None],
        Owner::Tenant(_) => vec![Some(0), Some(1), Some(2)],
    }
}

fn id_of(table: &Table, who: Option<usize>, i: usize) -> i64 {
    let shared = !table
        .keys
        .iter()
        .any(|key| key.len() == 1 && key[0] == "id");
    let base = match who {
        Some(who) if shared || table.name == "plans" => (who * usize::from(!shared)) as i64,
        Some(who) => 100 * who as i64,
        None => 300,
    };
    base + i as i64 + 1
}

#[allow(clippy::too_many_arguments)]
fn value(
    schema: &Schema,
    table: &Table,
    name: &str,
    who: Option<usize>,
    id: i64,
    i: usize,
    own: bool,
    ids: &[Vec<(Option<usize>, i64)>],
    written: &[(Option<usize>, i64)],
    rng: &mut Rng,
) -> String {
    let tenants = schema.kind.ids();
    if table.tenant() == Some(name) {
        return who.map_or("NULL".to_owned(), |who| format!("'{}'", tenants[who]));
    }
    let unique = table
        .keys
        .iter()
        .any(|key| key.last().is_some_and(|k| k == name));
    let quoted = |text: &str| format!("'{text}'");
    let column = table.column(name).expect("a column of the table");
    match (name, column.ty) {
        ("id", _) => id.to_string(),
        ("parent_id", _) => parent(table, who, own, ids, written, rng),
        ("name", _) => {
            let pool = if own {
                &["ann", "bob", "cid"][..]
            } else {
                &["ann", "bob", "zed", "zoe"][..]
            };
            let base = pool[rng.below(pool.len())];
            if !unique {
                quoted(base)
            } else if table
                .keys
                .iter()
                .any(|key| key.len() == 1 && key[0] == "name")
            {
                quoted(&format!("{base}{id}"))
            } else {
                quoted(&format!("{base}{i}"))
            }
        }
        // Digits for the session's tenant: a cast of its notes never fails.
        ("note", _) if own => quoted(&rng.below(9).to_string()),
        ("note", _) => quoted(["4", "zed", "", "7", "z\\\\d"][rng.below(5)]),
        (_, Ty::Text) => quoted(["open", "paid", "void"][rng.below(3)]),
        (_, Ty::Int) if own => (1 + rng.below(5)).to_string(),
        (_, Ty::Int) => ["1", "2", "5", "12", "14"][rng.below(5)].to_owned(),
        (_, Ty::Bool) => ["true", "false", "NULL"][rng.below(3)].to_owned(),
        (_, Ty::Json) if own => format!(
            "'{{\"n\": {}, \"k\": \"{}\"}}'",
            rng.below(5),
            ["a", "b"][rng.below(2)]
        ),
        (_, Ty::Json) => [
            "'{\"n\": \"x\", \"k\": \"z\"}'",
            "'{\"n\": 2, \"k\": \"a\"}'",
            "'[1]'",
        ][rng.below(3)]
        .to_owned(),
        (_, Ty::Time) if own => {
            quoted(["2026-01-05 10:00", "2026-02-01", "2024-02-29"][rng.below(3)])
        }
        (_, Ty::Time) => quoted(
            [
                "2026-01-05 10:00",
                "2026-02-01",
                "infinity",
                "-infinity",
                "294270-12-31",
            ][rng.below(5)],
        ),
        (_, Ty::Ints) => "'{1,2}'".to_owned(),
        (_, Ty::Tenant) => quoted(tenants[rng.below(3)]),
    }
}

/// References cross tenants wherever keys permit.
fn parent(
    table: &Table,
    who: Option<usize>,
    own: bool,
    ids: &[Vec<(Option<usize>, i64)>],
    written: &[(Option<usize>, i64)],
    rng: &mut Rng,
) -> String {
    let Some(reference) = table.references.first() else {
        let soft = [1, 2, 3, 101, 102, 201];
        return soft[rng.below(soft.len())].to_string();
    };
    let rows = ids.get(reference.table).map_or(written, Vec::as_slice);
    let rows: Vec<i64> = rows
        .iter()
        .filter(|(of, _)| {
            if own || reference.composite {
                *of == who
            } else {
                true
            }
        })
        .map(|(_, id)| *id)
        .collect();
    match rows.is_empty() || rng.below(5) == 0 {
        true => "NULL".to_owned(),
        false => rows[rng.below(rows.len())].to_string(),
    }
}
