//! Notations of migration tools, end to end: what counts is what the tool applies on the way up.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use watertight_analysis::catalog::Command;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Code, Config};

const TABLE: &str =
    "CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text);\n";
const ENABLE: &str =
    "ALTER TABLE notes ENABLE ROW LEVEL SECURITY;\nALTER TABLE notes FORCE ROW LEVEL SECURITY;\n";
const POLICY: &str =
    "CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);\n";
const DISABLE: &str = "ALTER TABLE notes DISABLE ROW LEVEL SECURITY;\n";

fn build(files: &[(&str, &str)]) -> Catalog {
    let files = files
        .iter()
        .map(|(path, text)| SourceFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect();
    Catalog::build(&Config::default(), &order(files).unwrap())
}

fn notes(catalog: &Catalog) -> &'static str {
    let relation = catalog.relation(None, "notes").found().unwrap();
    catalog.class(relation, Command::Select).word()
}

fn protected() -> String {
    format!("{TABLE}{ENABLE}{POLICY}")
}

#[test]
fn sections_of_one_file() {
    // The way up switches row-level security off, the way down on again.
    for (up, down) in [
        ("-- +goose Up", "-- +goose Down"),
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- migrate:up", "-- migrate:down"),
        ("-- Up Migration", "-- Down Migration"),
        ("-- rambler up", "-- rambler down"),
        ("-- ==== UP ====", "-- ==== DOWN ===="),
    ] {
        let second = format!("{up}\n{DISABLE}{down}\n{ENABLE}");
        let catalog = build(&[("1_a.sql", &protected()), ("2_b.sql", &second)]);
        assert_eq!(notes(&catalog), "scoped", "{up}");
        let second = format!("{up}\nSELECT 1;\n{down}\n{DISABLE}");
        let catalog = build(&[("1_a.sql", &protected()), ("2_b.sql", &second)]);
        assert_eq!(notes(&catalog), "protected", "{up}");
    }
    let tern = format!("{DISABLE}---- create above / drop below ----\n{ENABLE}");
    assert_eq!(
        notes(&build(&[("1_a.sql", &protected()), ("2_b.sql", &tern)])),
        "scoped"
    );
}

#[test]
fn goose_blocks_and_drizzle_breakpoints() {
    let goose = format!(
        "-- +goose Up\n-- +goose StatementBegin\n{}-- +goose StatementEnd\n-- +goose Down\nDROP TABLE notes;\n",
        protected()
    );
    assert_eq!(notes(&build(&[("00001_init.sql", &goose)])), "protected");
    let drizzle = protected().replace(";\n", ";\n--> statement-breakpoint\n");
    assert_eq!(notes(&build(&[("0000_init.sql", &drizzle)])), "protected");
}

#[test]
fn files_of_the_way_back_are_not_applied() {
    let catalog = build(&[("1_a.sql", &protected()), ("2_b.down.sql", DISABLE)]);
    assert_eq!(notes(&catalog), "protected");
    let catalog = build(&[
        ("2024-01-01-000000_a/up.sql", &protected()),
        ("2024-01-01-000000_a/down.sql", "DROP TABLE notes;"),
        ("2024-02-01-000000_b/up.sql", DISABLE),
        ("2024-02-01-000000_b/down.sql", ENABLE),
    ]);
    assert_eq!(notes(&catalog), "scoped");
}

#[test]
fn nine_comes_before_ten() {
    let catalog = build(&[("10_off.sql", DISABLE), ("9_on.sql", &protected())]);
    assert_eq!(notes(&catalog), "scoped");
    let catalog = build(&[("V10__off.sql", DISABLE), ("V9__on.sql", &protected())]);
    assert_eq!(notes(&catalog), "scoped");
}

#[test]
fn a_file_that_does_not_parse_leaves_nothing_protected() {
    let catalog = build(&[("1_a.sql", &protected()), ("2_b.sql", "ALTER TABEL notes;")]);
    assert_eq!(notes(&catalog), "unknown");
    assert_eq!(catalog.diagnostics()[0].code, Code::MIGRATION_SYNTAX);
}

#[test]
fn blocks_that_only_make_roles_and_types_do_no_harm() {
    for block in [
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app LOGIN; END IF; END $$;",
        "DO $$ BEGIN CREATE TYPE state AS ENUM ('a', 'b'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE app'; EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'there: %', SQLERRM; END $$;",
        "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO app', current_database()); END $$;",
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := upper(NEW.body); RETURN NEW; END $$;",
    ] {
        let catalog = build(&[("1_a.sql", &protected()), ("2_b.sql", block)]);
        assert_eq!(
            notes(&catalog),
            "protected",
            "{block}\n{:?}",
            catalog.diagnostics()
        );
    }
}

#[test]
fn a_directive_says_what_a_block_touches() {
    let block = "DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 'x'; END $$;";
    let with = |line: &str| {
        let catalog = build(&[
            ("1_a.sql", &protected()),
            ("2_b.sql", &format!("{line}\n{block}")),
        ]);
        notes(&catalog)
    };
    assert_eq!(with(""), "unknown");
    assert_eq!(
        with("-- @touches nothing: it renames an index"),
        "unknown",
        "`nothing` is a word"
    );
    assert_eq!(with("-- @touches nothing"), "protected");
    assert_eq!(
        with("-- @touches nothing because it renames an index"),
        "protected"
    );
    assert_eq!(with("-- @touches notes"), "unknown");
    assert_eq!(with("-- @touched nothing"), "unknown");
}

#[test]
fn bookkeeping_tables_are_tables_like_others() {
    let catalog = build(&[
        ("1_a.sql", &protected()),
        (
            "2_b.sql",
            "CREATE TABLE IF NOT EXISTS schema_migrations (version text PRIMARY KEY);\nINSERT INTO schema_migrations VALUES ('1') ON CONFLICT DO NOTHING;",
        ),
    ]);
    assert_eq!(notes(&catalog), "protected");
    let table = catalog.relation(None, "schema_migrations").found().unwrap();
    assert_eq!(
        catalog.class(table, Command::Select).reason(),
        Some("undeclared")
    );
}

#[test]
fn the_identity_changes_with_every_part() {
    let one = build(&[("1_a.sql", TABLE)]);
    assert_eq!(one.id(), build(&[("1_a.sql", TABLE)]).id());
    assert_ne!(one.id(), build(&[("2_a.sql", TABLE)]).id());
    assert_ne!(
        one.id(),
        build(&[("1_a.sql", &TABLE.replace("body", "text"))]).id()
    );
    assert_eq!(one.id().len(), 32);
}
