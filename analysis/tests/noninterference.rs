//! Statements that once were proved and showed another tenant's rows on a real server, made small.
//!
//! Each pair holds the statement that must be refused and the nearest one that must be proved.
#![allow(clippy::unwrap_used)]

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};

fn codes(migration: &str, sql: &str) -> Vec<String> {
    let file = SourceFile {
        path: "0001_schema.sql".to_owned(),
        text: migration.to_owned(),
    };
    let catalog = Catalog::build(&Config::default(), &order(vec![file]).unwrap());
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config()).unwrap();
    match prove(&catalog, &prepared) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|p| p.code.to_string()).collect(),
    }
}

/// The body of a function in FROM takes the place of its call, so a condition outside meets rows
/// that the condition inside has not filtered yet: `LIKE 'z\'` fails on another tenant's note.
#[test]
fn a_condition_over_a_function_that_is_put_in_its_place() {
    let schema = |how: &str| {
        format!(
            "CREATE TABLE notes (id integer PRIMARY KEY, tenant_id uuid NOT NULL, note text, n integer);
             CREATE FUNCTION mine() RETURNS SETOF notes LANGUAGE sql {how} AS
             $$ SELECT * FROM notes WHERE tenant_id = current_setting('app.tenant_id')::uuid $$;"
        )
    };
    let stable = schema("STABLE");
    let pattern = "SELECT m.id FROM mine() m WHERE m.note LIKE $q";
    assert_eq!(codes(&stable, pattern), ["W0601"]);
    // The second call is as open as the first.
    let twice = "SELECT a.id FROM mine() a JOIN mine() b ON b.id = a.id WHERE 1 / b.n > 0";
    assert_eq!(codes(&stable, twice), ["W0601"]);
    // Never put in its place: a volatile function is run as it stands.
    assert!(codes(&schema("VOLATILE"), pattern).is_empty());
    assert!(codes(&stable, "SELECT 1 / m.n FROM mine() m WHERE m.id = $id").is_empty());
}

const PROTECTED: &str =
    "CREATE TABLE notes (id integer PRIMARY KEY, tenant_id uuid NOT NULL, note text, flag boolean);
     ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
     ALTER TABLE notes FORCE ROW LEVEL SECURITY;
     CREATE POLICY own ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);";

/// Before 15.20 the WHERE of DO UPDATE is evaluated on a row that row-level security hides: false
/// is silence, true is an error.
#[test]
fn a_condition_on_a_hidden_row_that_conflicts() {
    let insert = "INSERT INTO notes (id, tenant_id) VALUES ($id, $tenant) ON CONFLICT (id) DO UPDATE SET note = 'x'";
    assert!(codes(PROTECTED, insert).is_empty());
    assert!(!codes(PROTECTED, &format!("{insert} WHERE notes.flag")).is_empty());
    assert!(
        codes(
            PROTECTED,
            &format!("{insert} WHERE notes.tenant_id = $tenant")
        )
        .is_empty()
    );
}

/// MERGE joins every tenant's rows where no column of the target is read, and then raises an error
/// on them.
#[test]
fn a_merge_that_reads_no_column_of_its_target() {
    let merge = |on: &str| {
        format!(
            "MERGE INTO notes t USING (SELECT 1 AS id) s ON {on} WHEN MATCHED THEN UPDATE SET note = 'x'"
        )
    };
    assert!(!codes(PROTECTED, &merge("true")).is_empty());
    assert!(!codes(PROTECTED, &merge("s.id = 1")).is_empty());
    assert!(codes(PROTECTED, &merge("t.id = s.id")).is_empty());
}
