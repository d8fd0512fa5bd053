//! Migrations that arrive at the schema by detours, or that change it after all.
//!
//! Invariant: what the model says of names and columns is what the server ends up with; whether a
//! table is still protected in the end is for the catalog to find out.

use super::{Column, Owner, Schema, Table, Ty};
use crate::choice::Choices;

/// Rewrites and continues the migrations of a finished schema.
pub(super) fn weave(schema: &mut Schema, c: &mut Choices) {
    if c.chance(45) {
        for _ in 0..1 + c.below(4) {
            rewrite(schema, c);
        }
    }
    if c.chance(55) {
        for _ in 0..1 + c.below(4) {
            go_on(schema, c);
        }
    }
}

/// A table of tenants that is neither a partition nor a child nor has one.
fn plain(schema: &Schema, c: &mut Choices) -> Option<usize> {
    let found: Vec<usize> = (0..schema.tables.len())
        .filter(|index| {
            let table = &schema.tables[*index];
            matches!(table.owner, Owner::Tenant(_))
                && table.name != "tenants"
                && table.parent.is_none()
                && table.partition.is_none()
                && !schema.tables.iter().any(|t| t.parent == Some(*index))
        })
        .collect();
    if found.is_empty() {
        return None;
    }
    Some(found[c.below(found.len())])
}

/// Replaces the definition of one table by several statements.
fn rewrite(schema: &mut Schema, c: &mut Choices) {
    let kind = c.below(8);
    if kind >= 6 {
        attach(schema, c, kind == 6);
        return;
    }
    let Some(index) = plain(schema, c) else {
        return;
    };
    let table = schema.tables[index].clone();
    let path = table.named();
    let start = format!("CREATE TABLE {path} (\n");
    let Some(at) = schema
        .ddl
        .iter()
        .position(|(_, sql)| sql.starts_with(&start))
    else {
        return;
    };
    let object = schema.ddl[at].0.clone();
    let text = schema.ddl[at].1.clone();
    let body = &text[start.len()..text.len() - 2];
    let mut lines: Vec<String> = body.split(",\n").map(str::to_owned).collect();
    let mut before: Vec<String> = Vec::new();
    let mut after: Vec<String> = Vec::new();
    match kind {
        // An earlier table of that name, well protected, that is gone.
        0 => {
            let tenant = table.tenant().unwrap_or("tenant_id");
            let term = schema.term(c, "app.tenant_id");
            before.push(format!(
                "CREATE TABLE {path} (id integer, {tenant} {})",
                schema.kind.sql()
            ));
            before.push(format!(
                "ALTER TABLE {path} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
            ));
            before.push(format!(
                "CREATE POLICY own ON {path} USING ({tenant} = {term})"
            ));
            before.push(format!("DROP TABLE {path}{}", c.one(&["", " CASCADE"])));
        }
        1 => {
            lines.insert(0, "    junk integer DEFAULT 3".to_owned());
            after.push(format!("ALTER TABLE {path} DROP COLUMN junk"));
        }
        // A column that comes later, and so last.
        2 => {
            let movable: Vec<usize> = (0..table.columns.len())
                .filter(|at| {
                    let name = &table.columns[*at].name;
                    name != "id" && !name.starts_with('"') && {
                        let uses = lines.iter().filter(|l| mentions(l, name)).count();
                        uses == 1
                    }
                })
                .collect();
            if movable.is_empty() {
                return;
            }
            let column = schema.tables[index]
                .columns
                .remove(movable[c.below(movable.len())]);
            let line = lines.iter().position(|l| mentions(l, &column.name));
            let line = lines.remove(line.expect("a line of the column"));
            after.push(format!("ALTER TABLE {path} ADD COLUMN {}", line.trim()));
            schema.tables[index].columns.push(column);
        }
        // Keys and references that come later.
        3 => {
            let (late, kept): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| {
                let line = line.trim();
                ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK"]
                    .iter()
                    .any(|word| line.starts_with(word))
            });
            lines = kept;
            for (number, line) in late.iter().enumerate() {
                let line = line.trim();
                let named = match line.starts_with("PRIMARY") || c.chance(50) {
                    true => String::new(),
                    false => format!("CONSTRAINT late_{number} "),
                };
                after.push(format!("ALTER TABLE {path} ADD {named}{line}"));
            }
        }
        // Under another name at first.
        4 => {
            if table.schema != "public" {
                return;
            }
            after.push(format!("ALTER TABLE draft RENAME TO {path}"));
            schema.ddl[at].1 = format!("CREATE TABLE draft (\n{}\n)", lines.join(",\n"))
                .replace(&format!("REFERENCES {path} "), "REFERENCES draft ");
            insert(schema, at + 1, &object, after);
            return;
        }
        _ => {
            let name = table
                .columns
                .iter()
                .find(|col| col.ty == Ty::Text)
                .map(|col| col.name.clone());
            let Some(name) = name else { return };
            after.push(format!(
                "ALTER TABLE {path} ALTER COLUMN {name} TYPE varchar(60)"
            ));
        }
    }
    schema.ddl[at].1 = format!("{start}{}\n)", lines.join(",\n"));
    insert(schema, at + 1, &object, after);
    insert(schema, at, &object, before);
}

fn insert(schema: &mut Schema, at: usize, object: &str, statements: Vec<String>) {
    for (offset, sql) in statements.into_iter().enumerate() {
        schema.ddl.insert(at + offset, (object.to_owned(), sql));
    }
}

fn mentions(line: &str, name: &str) -> bool {
    line.split(|ch: char| !(ch.is_alphanumeric() || ch == '_'))
        .any(|word| word == name)
}

/// A partition or a child that is made by itself and then attached.
fn attach(schema: &mut Schema, c: &mut Choices, partition: bool) {
    let word = if partition {
        " PARTITION OF events "
    } else {
        " () INHERITS ("
    };
    let found = schema.ddl.iter().position(|(_, sql)| sql.contains(word));
    let Some(at) = found else { return };
    let (object, sql) = schema.ddl[at].clone();
    let Some((_, rest)) = sql.split_once(word) else {
        return;
    };
    let all = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS";
    let (of, then) = match partition {
        true => (
            "events".to_owned(),
            format!("ALTER TABLE events ATTACH PARTITION {object} {rest}"),
        ),
        false => {
            let parent = rest.trim_end_matches(')').to_owned();
            (
                parent.clone(),
                format!("ALTER TABLE {object} INHERIT {parent}"),
            )
        }
    };
    schema.ddl[at].1 = format!("CREATE TABLE {object} (LIKE {of} {all})");
    let mut after = Vec::new();
    if c.chance(25) {
        after.push(then.clone());
        after.push(
            then.replace("ATTACH", "DETACH")
                .replace(" INHERIT ", " NO INHERIT "),
        );
        if let Some((head, _)) = after[1].clone().split_once(" FOR VALUES") {
            after[1] = head.to_owned();
        }
        after[1] = after[1].trim_end_matches(" DEFAULT").to_owned();
    }
    after.push(then);
    insert(schema, at + 1, &object, after);
}

/// Appends something to the migrations.
fn go_on(schema: &mut Schema, c: &mut Choices) {
    match c.below(26) {
        20..=22 => view(schema, c),
        23.. => routine(schema, c),
        19 => detach(schema, c),
        kind => {
            if let Some(index) = plain(schema, c) {
                table(schema, c, index, kind);
            }
        }
    }
}

fn table(schema: &mut Schema, c: &mut Choices, index: usize, kind: usize) {
    let table = schema.tables[index].clone();
    let path = table.named();
    let tenant = table.tenant().unwrap_or("tenant_id").to_owned();
    let say = |schema: &mut Schema, sql: String| schema.add(&path, sql);
    match kind {
        0 if table.schema == "public" => {
            say(schema, format!("ALTER TABLE {path} RENAME TO moved"));
            say(schema, format!("ALTER TABLE moved RENAME TO {path}"));
        }
        // Two tables change names; policies, keys and views go with the table, bodies with the name.
        1 | 2 => {
            let other = plain(schema, c).filter(|o| *o != index);
            let Some(other) =
                other.filter(|o| schema.tables[*o].schema == "public" && table.schema == "public")
            else {
                return;
            };
            let second = schema.tables[other].name.clone();
            say(schema, format!("ALTER TABLE {path} RENAME TO moved"));
            say(schema, format!("ALTER TABLE {second} RENAME TO {path}"));
            say(schema, format!("ALTER TABLE moved RENAME TO {second}"));
            schema.tables[index].name = second;
            schema.tables[other].name = table.name;
        }
        3 => {
            say(
                schema,
                format!("ALTER TABLE {path} RENAME COLUMN {tenant} TO held_by"),
            );
            say(
                schema,
                format!("ALTER TABLE {path} RENAME COLUMN held_by TO {tenant}"),
            );
        }
        // The policies stay with the column that they were written for.
        4 | 5 => {
            let keyed = table.keys.iter().flatten().any(|k| *k == tenant)
                || table.references.iter().any(|r| r.composite);
            if keyed || tenant != "tenant_id" || table.column("org_id").is_none() {
                return;
            }
            say(
                schema,
                format!("ALTER TABLE {path} RENAME COLUMN tenant_id TO held_by"),
            );
            say(
                schema,
                format!("ALTER TABLE {path} RENAME org_id TO tenant_id"),
            );
            say(
                schema,
                format!("ALTER TABLE {path} RENAME COLUMN held_by TO org_id"),
            );
            let table = &mut schema.tables[index];
            for column in &mut table.columns {
                column.name = match column.name.as_str() {
                    "tenant_id" => "org_id".to_owned(),
                    "org_id" => "tenant_id".to_owned(),
                    other => other.to_owned(),
                };
            }
            (table.guarded, table.sound) = (c.chance(30), false);
        }
        6 => {
            say(
                schema,
                format!("ALTER TABLE {path} DISABLE ROW LEVEL SECURITY"),
            );
            if c.chance(70) {
                say(
                    schema,
                    format!("ALTER TABLE {path} ENABLE ROW LEVEL SECURITY"),
                );
            } else {
                (schema.tables[index].guarded, schema.tables[index].sound) = (c.chance(40), false);
            }
        }
        7 => {
            say(
                schema,
                format!("ALTER TABLE ONLY {path} NO FORCE ROW LEVEL SECURITY"),
            );
            if c.chance(70) {
                say(
                    schema,
                    format!("ALTER TABLE {path} FORCE ROW LEVEL SECURITY"),
                );
            } else {
                schema.tables[index].sound = false;
            }
        }
        8..=10 => {
            let create = format!("CREATE POLICY own ON {path}");
            let found = schema
                .ddl
                .iter()
                .rfind(|(_, sql)| sql.starts_with(&create))
                .cloned();
            let Some((_, sql)) = found else { return };
            match kind {
                8 => {
                    if c.chance(50) {
                        say(
                            schema,
                            format!("BEGIN; DROP POLICY own ON {path}; {sql}; COMMIT"),
                        );
                    } else {
                        say(schema, format!("DROP POLICY IF EXISTS own ON {path}"));
                        say(schema, sql);
                    }
                }
                9 => {
                    say(schema, format!("ALTER POLICY own ON {path} RENAME TO mine"));
                    if c.chance(30) {
                        let wrong = super::policies::bad(schema, c, &tenant);
                        say(
                            schema,
                            format!("ALTER POLICY mine ON {path} USING ({wrong})"),
                        );
                        schema.tables[index].sound = false;
                    }
                }
                _ => {
                    say(schema, format!("DROP POLICY own ON {path}"));
                    let wrong = super::policies::bad(schema, c, &tenant);
                    say(
                        schema,
                        format!("CREATE POLICY own ON {path} USING ({wrong})"),
                    );
                    schema.tables[index].sound = false;
                }
            }
        }
        11 => {
            say(schema, "CREATE SCHEMA IF NOT EXISTS crm".to_owned());
            say(schema, "GRANT USAGE ON SCHEMA crm TO app".to_owned());
            if table.schema == "public" {
                say(schema, format!("ALTER TABLE {path} SET SCHEMA crm"));
                if c.chance(60) {
                    say(schema, format!("ALTER TABLE crm.{path} SET SCHEMA public"));
                } else {
                    schema.tables[index].schema = "crm";
                }
            }
        }
        12 => {
            let missing = [
                ("qty", Ty::Int, "integer"),
                ("note", Ty::Text, "text"),
                ("flag", Ty::Bool, "boolean"),
            ]
            .into_iter()
            .find(|(name, ..)| table.column(name).is_none());
            if let Some((name, ty, sql)) = missing {
                say(
                    schema,
                    format!("ALTER TABLE {path} ADD COLUMN IF NOT EXISTS {name} {sql}"),
                );
                schema.tables[index].columns.push(Column {
                    name: name.to_owned(),
                    ty,
                    not_null: false,
                    default: None,
                    generated: false,
                });
            }
        }
        13 => {
            let term = match c.below(3) {
                0 => schema.term(c, "app.org_id").replace("(SELECT ", "("),
                1 => format!("'{}'", schema.kind.ids()[1]),
                _ => schema.term(c, "app.tenant_id").replace("(SELECT ", "("),
            };
            say(
                schema,
                format!("ALTER TABLE {path} ALTER COLUMN {tenant} SET DEFAULT {term}"),
            );
            if let Some(column) = schema.tables[index]
                .columns
                .iter_mut()
                .find(|col| col.name == tenant)
            {
                column.default = Some(term);
            }
        }
        // A copy, without the policies.
        14 if !schema.tables.iter().any(|t| t.name == "copies") => {
            say(
                schema,
                format!("CREATE TABLE copies (LIKE {path} INCLUDING ALL)"),
            );
            let directive = tenant != "tenant_id" && c.chance(50);
            if directive {
                say(
                    schema,
                    format!("COMMENT ON TABLE copies IS '@tenant {tenant}'"),
                );
            }
            schema.tables.push(Table {
                name: "copies".to_owned(),
                schema: "public",
                references: Vec::new(),
                guarded: false,
                sound: false,
                declared: directive || tenant == "tenant_id",
                ..table
            });
        }
        15 => {
            say(
                schema,
                format!("CREATE TABLE IF NOT EXISTS {path} (id integer, body text)"),
            );
        }
        16 => extra(schema, c, index),
        17 => extra(schema, c, index),
        _ => {
            say(
                schema,
                format!("COMMENT ON TABLE {path} IS 'of one tenant'"),
            );
            if tenant != "tenant_id" {
                schema.tables[index].declared = false;
            }
        }
    }
}

/// Constraints and indexes, some with functions of the schema's own.
fn extra(schema: &mut Schema, c: &mut Choices, index: usize) {
    let table = schema.tables[index].clone();
    let path = table.named();
    let qty = if table.column("qty").is_some_and(|col| !col.generated) {
        "qty"
    } else {
        "id"
    };
    let tenant = table.tenant().unwrap_or("tenant_id").to_owned();
    let other = schema.tables[c.below(schema.tables.len())].path();
    let sql = match c.below(7) {
        0 | 1 => {
            let body = match c.below(3) {
                0 => "SELECT $1 < 100000".to_owned(),
                1 => {
                    format!("SELECT $1 < 90 OR $1 > 300 OR (SELECT count(*) FROM {other}) % 2 = 0")
                }
                _ => "SELECT 100 / ($1 - 13) < 1000".to_owned(),
            };
            let security = if c.chance(30) {
                " SECURITY DEFINER"
            } else {
                ""
            };
            schema.add(&path, format!("CREATE OR REPLACE FUNCTION fits(x integer) RETURNS boolean LANGUAGE sql STABLE{security} AS $$ {body} $$"));
            format!("ALTER TABLE {path} ADD CONSTRAINT fitting CHECK (fits({qty})) NOT VALID")
        }
        2 => format!("CREATE INDEX ON {path} ((10 / ({qty} - 13)))"),
        3 => format!("CREATE UNIQUE INDEX ON {path} ({tenant}, id) WHERE id IS NOT NULL"),
        4 => format!("ALTER TABLE {path} ADD EXCLUDE USING btree ({tenant} WITH =, id WITH =)"),
        5 => format!("ALTER TABLE {path} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"),
        _ => format!("CREATE UNIQUE INDEX ON {path} ({tenant}, (id + 0))"),
    };
    schema.add(&path, sql);
}

/// A partition or child that stands alone in the end.
fn detach(schema: &mut Schema, c: &mut Choices) {
    let found = schema
        .tables
        .iter()
        .position(|t| t.name == *c.one(&["events_open", "old_rows"]));
    let Some(index) = found else { return };
    let Some(parent) = schema.tables[index].parent else {
        return;
    };
    let (parent, name) = (
        schema.tables[parent].named(),
        schema.tables[index].name.clone(),
    );
    let partition = schema.tables[index].partition.is_some();
    let sql = match partition {
        true => format!("ALTER TABLE {parent} DETACH PARTITION {name}"),
        false => format!("ALTER TABLE {name} NO INHERIT {parent}"),
    };
    schema.add(&name, sql);
    schema.tables[index].parent = None;
    schema.tables[index].partition = None;
}

fn view(schema: &mut Schema, c: &mut Choices) {
    let found = schema
        .ddl
        .iter()
        .rfind(|(_, sql)| sql.starts_with("CREATE VIEW"))
        .cloned();
    let Some((name, sql)) = found else { return };
    match c.below(4) {
        0 => {
            schema.add(&name, format!("ALTER VIEW {name} RENAME TO seen"));
            schema.add(&name, format!("ALTER VIEW seen RENAME TO {name}"));
        }
        1 => {
            let value = c.one(&["true", "false", "on"]);
            schema.add(
                &name,
                format!("ALTER VIEW {name} SET (security_invoker = {value})"),
            );
        }
        // The options are those of the replacement.
        2 => {
            if let Some((_, query)) = sql.split_once(" AS SELECT") {
                let options = c.one(&["", " WITH (security_invoker = true)"]);
                schema.add(
                    &name,
                    format!("CREATE OR REPLACE VIEW {name}{options} AS SELECT{query}"),
                );
            }
        }
        _ => {
            schema.add(&name, format!("ALTER TABLE {name} SET (security_invoker)"));
        }
    }
}

fn routine(schema: &mut Schema, c: &mut Choices) {
    let of =
        |schema: &Schema, start: &str| schema.ddl.iter().any(|(_, sql)| sql.starts_with(start));
    if of(schema, "CREATE FUNCTION current_tenant()") && c.chance(60) {
        match c.below(4) {
            0 => schema.add(
                "current_tenant",
                "ALTER FUNCTION current_tenant() SECURITY DEFINER",
            ),
            1 => schema.add(
                "current_tenant",
                "ALTER FUNCTION current_tenant() SET search_path = pg_catalog",
            ),
            2 => schema.add(
                "current_tenant",
                "ALTER FUNCTION current_tenant() SET app.tenant_id = '5'",
            ),
            _ => {
                let setting = c.one(&["app.tenant_id", "app.org_id"]);
                let term = schema.term(c, setting);
                let ty = schema.kind.value();
                schema.add("current_tenant", format!("CREATE OR REPLACE FUNCTION current_tenant() RETURNS {ty} LANGUAGE sql STABLE AS $$ SELECT {term} $$"));
            }
        }
        for table in &mut schema.tables {
            table.sound = false;
        }
    } else if of(schema, "CREATE FUNCTION rows_0()") {
        let what = c.one(&[
            "SECURITY DEFINER",
            "SECURITY INVOKER",
            "VOLATILE",
            "SET search_path = crm, public",
            "STRICT",
        ]);
        schema.add("rows_0", format!("ALTER FUNCTION rows_0() {what}"));
    } else if of(schema, "CREATE FUNCTION total_0()") {
        let what = c.one(&["SECURITY DEFINER", "SECURITY INVOKER", "IMMUTABLE"]);
        schema.add("total_0", format!("ALTER FUNCTION total_0() {what}"));
    }
}
