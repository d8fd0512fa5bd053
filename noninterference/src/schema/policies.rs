//! Row-level security: sound, and subtly broken.

use super::{Owner, Schema};
use crate::choice::Choices;

const COMMANDS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

pub(super) fn generate(schema: &mut Schema, c: &mut Choices) {
    for index in 0..schema.tables.len() {
        let table = schema.tables[index].clone();
        let Owner::Tenant(column) = &table.owner else {
            continue;
        };
        // A child rarely has policies of its own.
        if table.parent.is_some() && !c.chance(20) {
            continue;
        }
        let (name, column) = (table.named(), column.clone());
        let shape = c.pick(&[30, 34, 9, 5, 22]);
        if shape == 0 {
            continue;
        }
        let guarded = match shape {
            1 => {
                enable(schema, c, &name);
                let using = good(schema, c, &column);
                let check = if c.chance(50) {
                    format!(" WITH CHECK ({})", good(schema, c, &column))
                } else {
                    String::new()
                };
                let to = c.one(&["", " TO app", " TO PUBLIC", " FOR ALL"]);
                schema.add(
                    &name,
                    format!("CREATE POLICY own ON {name}{to} USING ({using}){check}"),
                );
                true
            }
            2 => {
                enable(schema, c, &name);
                let left_out = if c.chance(50) { c.below(4) } else { 4 };
                for (at, command) in COMMANDS.iter().enumerate() {
                    if at != left_out {
                        let clauses = clauses(schema, c, &column, command, true);
                        schema.add(
                            &name,
                            format!("CREATE POLICY p{at} ON {name} FOR {command}{clauses}"),
                        );
                    }
                }
                true
            }
            3 => {
                enable(schema, c, &name);
                let using = good(schema, c, &column);
                let open = c
                    .one(&["true", "tenant_id IS NOT NULL OR true", "1 = 1"])
                    .replace("tenant_id", &column);
                let command = if c.chance(30) { " FOR SELECT" } else { "" };
                schema.add(
                    &name,
                    format!("CREATE POLICY open ON {name} USING ({open})"),
                );
                schema.add(
                    &name,
                    format!("CREATE POLICY own ON {name} AS RESTRICTIVE{command} USING ({using})"),
                );
                command.is_empty()
            }
            _ => {
                broken(schema, c, &name, &column);
                c.chance(50)
            }
        };
        schema.tables[index].guarded = guarded;
        schema.tables[index].sound = guarded && shape < 4;
    }
}

fn enable(schema: &mut Schema, c: &mut Choices, name: &str) {
    if c.chance(30) {
        schema.add(
            name,
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
        );
    } else {
        schema.add(
            name,
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
        );
        schema.add(name, format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"));
    }
}

fn clauses(schema: &Schema, c: &mut Choices, column: &str, command: &str, sound: bool) -> String {
    let one = |c: &mut Choices| {
        if sound || c.chance(60) {
            good(schema, c, column)
        } else {
            bad(schema, c, column)
        }
    };
    match command {
        "INSERT" => format!(" WITH CHECK ({})", one(c)),
        "UPDATE" if c.chance(50) => format!(" USING ({}) WITH CHECK ({})", one(c), one(c)),
        _ => format!(" USING ({})", one(c)),
    }
}

/// Implies the equality, though not always in a form that must be recognised.
fn good(schema: &Schema, c: &mut Choices, column: &str) -> String {
    let mut term = schema.term(c, "app.tenant_id");
    if !schema.terms.is_empty() && c.chance(20) {
        term.clone_from(&schema.terms[0]);
    }
    match c.pick(&[60, 14, 8, 4, 4, 3, 3, 4]) {
        0 => format!("{column} = {term}"),
        1 => format!("{term} = {column}"),
        2 => format!("{column} = {term} AND id IS NOT NULL"),
        3 => format!("{column} IN ({term})"),
        4 => format!("NOT ({column} <> {term})"),
        5 => format!("{column} = {term} OR ({column} = {term} AND id IS NULL)"),
        6 => format!("({column}, 1) = ({term}, 1)"),
        _ => format!("{column} IS NOT DISTINCT FROM {term}"),
    }
}

/// Looks as if it did.
pub(super) fn bad(schema: &Schema, c: &mut Choices, column: &str) -> String {
    let term = schema.term(c, "app.tenant_id");
    let other = schema.term(c, "app.org_id");
    let foreign = schema.kind.ids()[1];
    match c.pick(&[10, 10, 10, 6, 6, 6, 6, 6, 6, 6, 6, 6]) {
        0 => "true".to_owned(),
        1 => format!("{column} = {term} OR {column} IS NULL"),
        2 => format!("{column} = {other}"),
        3 => format!("{column} = {column}"),
        4 => format!("coalesce({column}, {term}) = {term}"),
        5 => format!("{column} = {term} OR id < 3"),
        6 => format!("{column} <> {term}"),
        7 => format!("{column}::text LIKE substr(current_setting('app.tenant_id'), 1, 0) || '%'"),
        8 => format!("{column} IN ({term}, '{foreign}')"),
        9 => format!("CASE WHEN id > 2 THEN true ELSE {column} = {term} END"),
        10 => format!("NOT ({column} = {term} AND id > 100)"),
        _ => format!("({column} = {term}) IS NOT FALSE"),
    }
}

fn broken(schema: &mut Schema, c: &mut Choices, name: &str, column: &str) {
    let using = good(schema, c, column);
    let wrong = bad(schema, c, column);
    let own = format!("CREATE POLICY own ON {name} USING ({using})");
    match c.below(14) {
        0 => {
            schema.add(
                name,
                format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"),
            );
            schema.add(name, own);
        }
        1 => {
            schema.add(name, format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY"));
            schema.add(name, own);
        }
        2 => {
            enable(schema, c, name);
            schema.add(name, format!("CREATE POLICY own ON {name} USING ({wrong})"));
        }
        3 => {
            enable(schema, c, name);
            schema.add(
                name,
                format!("CREATE POLICY own ON {name} USING ({using}) WITH CHECK ({wrong})"),
            );
        }
        4 => {
            enable(schema, c, name);
            schema.add(name, own);
            schema.add(
                name,
                format!("CREATE POLICY extra ON {name} USING ({wrong})"),
            );
        }
        5 => {
            enable(schema, c, name);
            schema.add(name, own);
            schema.add(
                name,
                format!("CREATE POLICY extra ON {name} FOR SELECT USING ({wrong})"),
            );
        }
        6 => {
            enable(schema, c, name);
            schema.add(name, own);
            schema.add(
                name,
                format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
            );
        }
        7 => {
            enable(schema, c, name);
            schema.add(name, own);
            schema.add(name, format!("DROP POLICY own ON {name}"));
            schema.add(name, format!("CREATE POLICY own ON {name} USING ({wrong})"));
        }
        8 => {
            enable(schema, c, name);
            schema.add(name, own);
            schema.add(name, format!("ALTER POLICY own ON {name} USING ({wrong})"));
        }
        9 => {
            enable(schema, c, name);
            for (at, command) in COMMANDS.iter().enumerate() {
                let clauses = clauses(schema, c, column, command, false);
                schema.add(
                    name,
                    format!("CREATE POLICY p{at} ON {name} FOR {command}{clauses}"),
                );
            }
        }
        10 => {
            enable(schema, c, name);
            schema.add(
                name,
                format!("CREATE POLICY own ON {name} AS RESTRICTIVE USING ({using})"),
            );
        }
        11 => {
            enable(schema, c, name);
            schema.add(
                name,
                format!("CREATE POLICY own ON {name} TO app_owner USING ({using})"),
            );
            schema.add(
                name,
                format!("CREATE POLICY others ON {name} TO app USING ({wrong})"),
            );
        }
        12 => {
            enable(schema, c, name);
            schema.add(name, format!("CREATE POLICY open ON {name} USING (true)"));
            schema.add(
                name,
                format!("CREATE POLICY own ON {name} AS RESTRICTIVE FOR SELECT USING ({using})"),
            );
        }
        _ => {
            enable(schema, c, name);
            let other = schema.tables[c.below(schema.tables.len())].clone();
            let (from, key) = match other.tenant() {
                Some(key) if other.named() != name => (other.named(), key.to_owned()),
                _ => ("tenants".to_owned(), "id".to_owned()),
            };
            let inner = if c.chance(50) {
                format!(" WHERE x.{key} = {}", schema.term(c, "app.tenant_id"))
            } else {
                String::new()
            };
            schema.add(name, format!("CREATE POLICY own ON {name} USING ({column} IN (SELECT x.{key} FROM {from} x{inner}))"));
        }
    }
}
