//! Functions, views, triggers and rules.

use super::{Kind, Scalar, Schema, Source, Table, Ty};
use crate::choice::Choices;

fn returned(schema: &Schema) -> &'static str {
    schema.kind.value()
}

/// Functions that read no table.
pub(super) fn functions(schema: &mut Schema, c: &mut Choices) {
    let ty = returned(schema);
    if c.chance(60) {
        let setting = if c.chance(12) {
            "app.org_id"
        } else {
            "app.tenant_id"
        };
        let term = schema.term(c, setting);
        let (language, body) = match c.pick(&[70, 15, 15]) {
            0 => ("sql STABLE", format!("SELECT {term}")),
            1 => ("sql STABLE SECURITY DEFINER", format!("SELECT {term}")),
            _ => ("plpgsql STABLE", format!("BEGIN RETURN {term}; END")),
        };
        schema.add(
            "current_tenant",
            format!(
                "CREATE FUNCTION current_tenant() RETURNS {ty} LANGUAGE {language} AS $$ {body} $$"
            ),
        );
        schema.terms.push("current_tenant()".to_owned());
    }
    if c.chance(40) {
        let body = c.one(&["SELECT $1 * 2", "SELECT 100 / ($1 - 12)"]);
        schema.add("twice_of", format!("CREATE FUNCTION twice_of(x integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ {body} $$"));
        schema.scalars.push(Scalar {
            name: "twice_of".to_owned(),
            arguments: vec![Ty::Int],
            returns: Ty::Int,
        });
    }
    if c.chance(25) {
        let body = c.one(&[
            "SELECT a = b",
            "SELECT a IS NOT NULL AND b IS NOT NULL",
            "SELECT a IS NOT DISTINCT FROM b",
        ]);
        schema.add("same_tenant", format!("CREATE FUNCTION same_tenant(a {ty}, b {ty}) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ {body} $$"));
        schema.scalars.push(Scalar {
            name: "same_tenant".to_owned(),
            arguments: vec![Ty::Tenant, Ty::Tenant],
            returns: Ty::Bool,
        });
    }
    // What overload resolution prefers to a built-in.
    if c.chance(4) {
        schema.add("upper", "CREATE FUNCTION public.upper(x varchar) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT name || x FROM public.tenants ORDER BY name DESC LIMIT 1 $$");
    }
    if schema.kind == Kind::Varchar && c.chance(40) {
        schema.add("loose", "CREATE FUNCTION loose(a varchar, b varchar) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT a IS NOT NULL AND b IS NOT NULL $$");
        schema.add(
            "=",
            "CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = loose)",
        );
    } else if c.chance(3) {
        // Preferred to the built-in wherever the right side is a text.
        let column = schema.kind.sql();
        schema.add("loose", format!("CREATE FUNCTION loose(a {column}, b text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT a IS NOT NULL AND b IS NOT NULL $$"));
        schema.add(
            "=",
            format!(
                "CREATE OPERATOR public.= (LEFTARG = {column}, RIGHTARG = text, FUNCTION = loose)"
            ),
        );
    }
}

fn pin(schema: &Schema, c: &mut Choices, column: &str) -> String {
    match c.pick(&[70, 10, 10, 10]) {
        0 => format!("{column} = {}", schema.term(c, "app.tenant_id")),
        1 => format!("{column} = {}", schema.term(c, "app.org_id")),
        2 => format!(
            "({column} = {} OR id IS NOT NULL)",
            schema.term(c, "app.tenant_id")
        ),
        _ => format!("{column} IS NOT NULL"),
    }
}

fn a_table(schema: &Schema, c: &mut Choices) -> Table {
    schema.tables[c.below(schema.tables.len())].clone()
}

fn columns_of(table: &Table) -> Vec<(String, Ty)> {
    table
        .columns
        .iter()
        .map(|col| (col.name.clone(), col.ty))
        .collect()
}

/// A WHERE clause, or none, for a body over this table.
fn filter(schema: &Schema, c: &mut Choices, table: &Table) -> String {
    match table.tenant() {
        Some(column) if c.chance(60) => format!(" WHERE {}", pin(schema, c, column)),
        _ if c.chance(30) => " WHERE id IS NOT NULL".to_owned(),
        _ => String::new(),
    }
}

/// Functions and views that read tables.
pub(super) fn rows_and_views(schema: &mut Schema, c: &mut Choices) {
    for number in 0..c.below(3) {
        let table = a_table(schema, c);
        let name = format!("rows_{number}");
        let filter = filter(schema, c, &table);
        let security = if c.chance(25) {
            " SECURITY DEFINER SET search_path = public"
        } else {
            ""
        };
        let set = &table.named();
        if table.name == "tenants" || c.chance(50) {
            schema.add(&name, format!("CREATE FUNCTION {name}() RETURNS SETOF {set} LANGUAGE sql STABLE{security} AS $$ SELECT * FROM {set}{filter} $$"));
            schema.set_functions.push(Source {
                name: format!("{name}()"),
                columns: columns_of(&table),
            });
        } else {
            let and = if filter.is_empty() { " WHERE" } else { " AND" };
            schema.add(&name, format!("CREATE FUNCTION {name}(n integer) RETURNS SETOF {set} LANGUAGE sql STABLE{security} AS $$ SELECT * FROM {set}{filter}{and} id >= n $$"));
            schema.set_functions.push(Source {
                name: format!("{name}(%)"),
                columns: columns_of(&table),
            });
        }
    }
    for number in 0..c.below(3) {
        let table = a_table(schema, c);
        let name = format!("total_{number}");
        let filter = filter(schema, c, &table);
        let security = if c.chance(25) {
            " SECURITY DEFINER"
        } else {
            ""
        };
        let body = format!("SELECT count(*)::integer FROM {}{filter}", table.named());
        let language = if c.chance(15) {
            format!("plpgsql STABLE{security} AS $$ BEGIN RETURN ({body}); END $$")
        } else {
            format!("sql STABLE{security} AS $$ {body} $$")
        };
        schema.add(
            &name,
            format!("CREATE FUNCTION {name}() RETURNS integer LANGUAGE {language}"),
        );
        schema.scalars.push(Scalar {
            name,
            arguments: Vec::new(),
            returns: Ty::Int,
        });
    }
    for number in 0..1 + c.below(4) {
        view(schema, c, number);
    }
}

fn view(schema: &mut Schema, c: &mut Choices, number: usize) {
    let name = format!("v{number}");
    let table = a_table(schema, c);
    let from = &table.named();
    let (query, columns): (String, Vec<(String, Ty)>) = match c.pick(&[30, 25, 12, 10, 8, 8, 7]) {
        0 => (format!("SELECT * FROM {from}"), columns_of(&table)),
        1 => (
            format!("SELECT * FROM {from}{}", filter(schema, c, &table)),
            columns_of(&table),
        ),
        2 => {
            let filter = filter(schema, c, &table);
            (
                format!("SELECT id, count(*)::integer AS qty FROM {from}{filter} GROUP BY id"),
                vec![("id".to_owned(), Ty::Int), ("qty".to_owned(), Ty::Int)],
            )
        }
        3 if !schema.views.is_empty() => {
            let below = schema.views[c.below(schema.views.len())].clone();
            (format!("SELECT * FROM {}", below.name), below.columns)
        }
        4 if table.column("org_id").is_some() && table.tenant() == Some("tenant_id") => (
            format!("SELECT id, org_id AS tenant_id FROM {from}"),
            vec![
                ("id".to_owned(), Ty::Int),
                ("tenant_id".to_owned(), Ty::Tenant),
            ],
        ),
        5 => {
            let other = a_table(schema, c);
            match (table.tenant(), other.tenant()) {
                (Some(left), Some(right)) => {
                    let join = c.one(&["JOIN", "LEFT JOIN"]);
                    let on = if c.chance(80) {
                        format!("a.{left} = b.{right}")
                    } else {
                        "a.id = b.id".to_owned()
                    };
                    (
                        format!(
                            "SELECT a.id, a.{left} AS tenant_id, b.id AS qty FROM {from} a {join} {} b ON {on}",
                            other.named()
                        ),
                        vec![
                            ("id".to_owned(), Ty::Int),
                            ("tenant_id".to_owned(), Ty::Tenant),
                            ("qty".to_owned(), Ty::Int),
                        ],
                    )
                }
                _ => (format!("SELECT * FROM {from}"), columns_of(&table)),
            }
        }
        6 if table.tenant().is_some() => {
            let column = table.tenant().unwrap_or_default();
            let pinned = pin(schema, c, column);
            (
                format!(
                    "SELECT id FROM {from} WHERE {pinned} UNION ALL SELECT id FROM {from}{}",
                    filter(schema, c, &table)
                ),
                vec![("id".to_owned(), Ty::Int)],
            )
        }
        _ => (
            format!("SELECT id FROM {from}{}", filter(schema, c, &table)),
            vec![("id".to_owned(), Ty::Int)],
        ),
    };
    if c.chance(6) {
        schema.add(
            &name,
            format!("CREATE MATERIALIZED VIEW {name} AS {query} WITH NO DATA"),
        );
        schema.refresh.push(name.clone());
    } else {
        let options = [
            "",
            " WITH (security_invoker = true)",
            " WITH (security_invoker)",
            " WITH (security_barrier)",
            " WITH (security_invoker = false)",
        ];
        let options = options[c.pick(&[30, 30, 10, 10, 5])];
        schema.add(&name, format!("CREATE VIEW {name}{options} AS {query}"));
        if options.contains("invoker") && c.chance(8) {
            schema.add(&name, format!("ALTER VIEW {name} RESET (security_invoker)"));
        }
    }
    schema.views.push(Source { name, columns });
}

/// Triggers and rules on some tables.
pub(super) fn triggers(schema: &mut Schema, c: &mut Choices) {
    for number in 0..c.pick(&[55, 30, 15]) {
        let index = c.below(schema.tables.len());
        let table = schema.tables[index].clone();
        let Some(tenant) = table.tenant().map(str::to_owned) else {
            continue;
        };
        if table.name == "tenants" || table.partition.is_some() {
            continue;
        }
        let name = format!("on_change_{number}");
        let on = &table.named();
        let other = a_table(schema, c).named();
        let foreign = schema.kind.ids()[1];
        let term = schema.term(c, "app.tenant_id");
        let set_qty = if table.column("qty").is_some() {
            "NEW.qty"
        } else {
            "NEW.id"
        };
        let definer = if c.chance(40) {
            " SECURITY DEFINER"
        } else {
            ""
        };
        let (when, body) = match c.pick(&[30, 15, 10, 15, 15, 15, 25, 8]) {
            // What was done, beside it: in a table with the same kind of rows.
            6 => {
                let audit = a_table(schema, c);
                let Some(column) = audit.tenant().map(str::to_owned) else {
                    continue;
                };
                let value = match c.pick(&[50, 25, 10, 10, 5]) {
                    0 => format!("NEW.{tenant}"),
                    1 => term.clone(),
                    2 => format!("OLD.{tenant}"),
                    3 => format!("'{foreign}'"),
                    _ => format!("coalesce(NEW.{tenant}, '{foreign}')"),
                };
                let event = c.one(&[
                    "AFTER INSERT",
                    "AFTER UPDATE",
                    "AFTER INSERT OR UPDATE",
                    "AFTER UPDATE OF status",
                ]);
                (
                    event,
                    format!(
                        "INSERT INTO {} (id, {column}) VALUES (9500 + NEW.id, {value}); RETURN {};",
                        audit.named(),
                        c.one(&["NEW", "NULL"])
                    ),
                )
            }
            7 => {
                let body = match c.below(2) {
                    0 => "RETURN NULL;".to_owned(),
                    _ => format!("UPDATE {on} SET {tenant} = {tenant}; RETURN NULL;"),
                };
                schema.add(on, format!("CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql{definer} AS $$ BEGIN {body} END $$"));
                schema.add(on, format!("CREATE TRIGGER t{number} AFTER INSERT OR DELETE ON {on} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"));
                continue;
            }
            0 => (
                "BEFORE UPDATE",
                format!("{set_qty} := {set_qty} + 1; RETURN NEW;"),
            ),
            1 => (
                "BEFORE INSERT",
                format!("NEW.{tenant} := {term}; RETURN NEW;"),
            ),
            2 => (
                "BEFORE INSERT OR UPDATE",
                format!("NEW.{tenant} := '{foreign}'; RETURN NEW;"),
            ),
            3 => (
                "BEFORE UPDATE",
                format!("{set_qty} := (SELECT count(*) FROM {}); RETURN NEW;", other),
            ),
            4 => (
                "AFTER INSERT OR UPDATE OR DELETE",
                format!(
                    "UPDATE {} SET id = id; DELETE FROM {} WHERE id = 2; RETURN NULL;",
                    other, other
                ),
            ),
            _ => {
                let rule = match c.below(3) {
                    0 => format!(
                        "CREATE RULE r{number} AS ON UPDATE TO {on} DO ALSO DELETE FROM {} WHERE id = 1",
                        other
                    ),
                    1 => format!("CREATE RULE r{number} AS ON DELETE TO {on} DO INSTEAD NOTHING"),
                    _ => format!(
                        "CREATE RULE r{number} AS ON INSERT TO {on} DO ALSO UPDATE {on} SET id = id WHERE {tenant} = NEW.{tenant}"
                    ),
                };
                schema.add(on, rule);
                continue;
            }
        };
        schema.add(on, format!("CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql{definer} AS $$ BEGIN {body} END $$"));
        schema.add(
            on,
            format!(
                "CREATE TRIGGER t{number} {when} ON {on} FOR EACH ROW EXECUTE FUNCTION {name}()"
            ),
        );
        if c.chance(12) {
            let how = c.one(&["DISABLE", "ENABLE ALWAYS", "ENABLE REPLICA"]);
            schema.add(on, format!("ALTER TABLE {on} {how} TRIGGER t{number}"));
        }
    }
}
