//! Parts of the migrations inside DO blocks, run, guarded or skipped.
//!
//! Invariant: a block that replaces a statement has that statement's effect on the server; what is
//! added beside it the catalog has to follow.

use super::{Owner, Schema};
use crate::choice::Choices;

/// Wraps some statements and adds some blocks.
pub(super) fn wrap(schema: &mut Schema, c: &mut Choices) {
    if !c.chance(25) {
        return;
    }
    for index in 0..schema.ddl.len() {
        let sql = schema.ddl[index].1.clone();
        let protects = sql.starts_with("CREATE POLICY") || sql.contains(" ROW LEVEL SECURITY");
        if protects && !sql.contains("$$") && c.chance(40) {
            schema.ddl[index].1 = replaced(&sql, c);
        }
    }
    for _ in 0..c.below(3) {
        added(schema, c);
    }
}

fn block(body: &str) -> String {
    format!("DO $$ BEGIN {body} END $$")
}

/// The same statement, by a block.
fn replaced(sql: &str, c: &mut Choices) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    match c.below(6) {
        0 => block(&format!("{sql};")),
        1 => block(&format!("EXECUTE '{}';", sql.replace('\'', "''"))),
        2 => block(&format!(
            "{sql}; EXCEPTION WHEN duplicate_object THEN NULL;"
        )),
        3 if words.len() > 5 && words[1] == "POLICY" => {
            let (policy, table) = (words[2], words[4].trim_matches('"'));
            let table = table.rsplit('.').next().unwrap_or(table);
            block(&format!(
                "IF NOT EXISTS (SELECT 1 FROM pg_policies WHERE tablename = '{table}' AND policyname = '{policy}') THEN {sql}; END IF;"
            ))
        }
        4 if words[0] == "ALTER"
            && words[1] == "TABLE"
            && !sql.contains('"')
            && !sql.contains('.')
            && words[2] != "ONLY" =>
        {
            let rest = words[3..].join(" ");
            block(&format!(
                "EXECUTE format('ALTER TABLE %I {rest}', '{}');",
                words[2]
            ))
        }
        _ => block(&format!("IF true THEN {sql}; END IF;")),
    }
}

fn added(schema: &mut Schema, c: &mut Choices) {
    let found: Vec<usize> = (0..schema.tables.len())
        .filter(|index| {
            let table = &schema.tables[*index];
            matches!(table.owner, Owner::Tenant(_))
                && table.schema == "public"
                && !table.name.starts_with('"')
        })
        .collect();
    if found.is_empty() {
        return;
    }
    let index = found[c.below(found.len())];
    let name = schema.tables[index].name.clone();
    let what = c
        .one(&["ENABLE", "FORCE", "DISABLE", "NO FORCE"])
        .to_owned();
    if matches!(what.as_str(), "DISABLE" | "NO FORCE") {
        schema.tables[index].sound = false;
    }
    let sql = match c.below(6) {
        0 => format!(
            "DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['{name}', 'plans'] LOOP EXECUTE format('ALTER TABLE public.%I {what} ROW LEVEL SECURITY', t); END LOOP; END $$"
        ),
        1 => format!(
            "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename = '{name}' LOOP EXECUTE 'ALTER TABLE ' || quote_ident(r.tablename) || ' {what} ROW LEVEL SECURITY'; END LOOP; END $$"
        ),
        2 => block(&format!(
            "IF EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'nothing') THEN ALTER TABLE {name} {what} ROW LEVEL SECURITY; END IF;"
        )),
        3 => block(&format!(
            "IF current_setting('app.tenant_id', true) = 'x' THEN ALTER TABLE {name} {what} ROW LEVEL SECURITY; ELSE ALTER TABLE {name} FORCE ROW LEVEL SECURITY; END IF;"
        )),
        4 => block(&format!(
            "IF (SELECT count(*) FROM {name}) > 3 THEN ALTER TABLE {name} {what} ROW LEVEL SECURITY; END IF;"
        )),
        _ => block(&format!(
            "BEGIN EXECUTE 'DROP POLICY own ON {name}'; RAISE EXCEPTION 'no'; EXCEPTION WHEN others THEN NULL; END;"
        )),
    };
    schema.add(&name, sql);
}
