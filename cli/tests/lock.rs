//! The lock: what it holds, and what `lock --check` calls loosened.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{Folder, NOTES, run, stderr, stdout};
use serde_json::Value;

const MANIFEST: &str = "[package]\nname = \"desk\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

const DESK: &str = r#"
mod notes;
#[tenant_query("SELECT title FROM tasks WHERE tenant_id = $tenant {title} ORDER BY {sort}",
    sort(title = "title", id = "id"), optional(title = "AND title = $title"))]
async fn tasks(db: &mut Scope<'_>, title: Option<&str>, sort: Sort) -> DbResult<Vec<String>>;
macro_rules! later { () => { #[tenant_query("SELECT 1")] async fn hidden(); } }
"#;

const DESK_NOTES: &str = r#"
pub struct Notes;
impl Notes {
    #[tenant_query("SELECT body FROM notes")]
    pub async fn all(&self, db: &mut Scope<'_>) -> DbResult<Vec<String>>;
}
#[cfg(feature = "admin")]
async fn both(#[tool(not_tenant = "a flat's renter")] renter: String) {
    unproved!("SELECT body FROM notes WHERE body ~ $1", reason = "a pattern");
}
#[system_query("SELECT title FROM tasks", role = "job", tables(tasks), reason = "nightly")]
async fn every(db: &mut SystemScope<'_>) -> DbResult<Vec<String>>;
"#;

fn desk(name: &str) -> Folder {
    Folder::new(name)
        .with("Cargo.toml", MANIFEST)
        .with("src/lib.rs", DESK)
        .with("src/notes.rs", DESK_NOTES)
        .with("src/stray.rs", "#[tenant_query(\"SELECT 1\")]")
        .with("migrations/1_init.sql", NOTES)
}

#[test]
fn the_lock_holds_every_statement_and_what_it_rests_on() {
    let folder = desk("lock");
    let written = run(&folder.0, &["lock"], "");
    assert_eq!(
        written.status.code(),
        Some(0),
        "{}{}",
        stdout(&written),
        stderr(&written)
    );
    let text = std::fs::read_to_string(folder.0.join("watertight.lock")).unwrap();
    let functions: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("function = "))
        .collect();
    assert_eq!(
        functions,
        [
            "\"desk::notes::Notes::all\"",
            "\"desk::notes::both\"",
            "\"desk::notes::every\"",
            "\"desk::tasks\"",
            "\"desk::tasks\"",
            "\"desk::tasks\"",
            "\"desk::tasks\""
        ]
    );
    for expected in [
        "which = \"sort = id and title given\"",
        "sql = \"SELECT title FROM tasks WHERE tenant_id = $tenant AND title = $title ORDER BY id\"",
        "grade = \"predicate\"",
        "grade = \"rls\"",
        "reason = \"a pattern\"",
        "tables = [\"tasks\"]",
        "policies = [\"iso: PERMISSIVE ALL TO public #",
        "what = \"a macro of one's own writes statements\"",
        "file = \"src/stray.rs\"",
        "place = \"desk::notes::both::renter\"",
        "is pinned: `tenant_id = $tenant` (WHERE)",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let checked = run(&folder.0, &["lock", "--check"], "");
    assert_eq!(checked.status.code(), Some(0), "{}", stdout(&checked));
    let again = run(&folder.0, &["lock"], "");
    assert!(stdout(&again).contains("up to date"), "{}", stdout(&again));
}

/// `lock --check --format json` after a change of one file.
fn checked(name: &str, file: &str, from: &str, to: &str) -> Value {
    let folder = desk(name);
    assert!(run(&folder.0, &["lock"], "").status.success());
    let text = std::fs::read_to_string(folder.0.join(file)).unwrap_or_default();
    assert!(from.is_empty() || text.contains(from), "{from}");
    let text = match from {
        "" => format!("{text}{to}"),
        from => text.replace(from, to),
    };
    let folder = folder.with(file, &text);
    let output = run(&folder.0, &["lock", "--check", "--format", "json"], "");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn holds(list: &Value, text: &str) -> bool {
    list.as_array()
        .unwrap()
        .iter()
        .any(|it| it.as_str().unwrap().contains(text))
}

#[test]
fn what_was_loosened_is_named_apart_from_what_changed() {
    let added = "\nALTER TABLE notes NO FORCE ROW LEVEL SECURITY;\n";
    let found = checked("force", "migrations/1_init.sql", "", added);
    // The statement that rested on it is refused: nothing is written at all.
    assert_eq!(found["status"], "refused", "{found:#}");

    let added = "\nCREATE TABLE g (a int); COMMENT ON TABLE g IS '@global prices';\n";
    let found = checked("global", "migrations/2_more.sql", "", added);
    assert!(
        holds(&found["loosened"], "`g` has a directive: @global prices"),
        "{found:#}"
    );
    assert!(holds(&found["changed"], "2_more.sql` is new"), "{found:#}");

    let found = checked(
        "reason",
        "src/notes.rs",
        "#[system_query(\"SELECT title FROM tasks\", role = \"job\", tables(tasks)",
        "#[system_query(\"SELECT title FROM tasks\", role = \"job\", tables(tasks, notes)",
    );
    assert!(
        holds(&found["loosened"], "may touch `notes` as well"),
        "{found:#}"
    );

    let found = checked(
        "text",
        "src/lib.rs",
        "AND title = $title",
        "AND title LIKE $title || '%'",
    );
    assert_eq!(found["status"], "out-of-date", "{found:#}");

    let found = checked(
        "comment",
        "migrations/1_init.sql",
        "CREATE TABLE jobs",
        "-- Jobs.\nCREATE TABLE jobs",
    );
    assert_eq!(found["loosened"].as_array().unwrap().len(), 0, "{found:#}");
    assert!(
        holds(&found["changed"], "1_init.sql` was edited"),
        "{found:#}"
    );
}

#[test]
fn a_statement_that_drops_to_its_own_filter_is_loosened() {
    let folder = desk("grade").with(
        "src/notes.rs",
        "#[tenant_query(\"SELECT body FROM notes WHERE tenant_id = $tenant\")]\n\
         pub async fn all(db: &mut Scope<'_>) -> DbResult<Vec<String>>;",
    );
    assert!(run(&folder.0, &["lock"], "").status.success());
    let folder = folder.with(
        "migrations/2_off.sql",
        "ALTER TABLE notes DISABLE ROW LEVEL SECURITY;",
    );
    let output = run(&folder.0, &["lock", "--check"], "");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let loosened = text.split("changed:").next().unwrap();
    for expected in [
        "`desk::notes::all` was rls and is predicate",
        "row-level security of `notes` was forced and is off",
        "`notes` was protected for select and is scoped",
    ] {
        assert!(loosened.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn the_body_of_an_allowed_function_is_watched() {
    let folder = desk("body")
        .with(
            "watertight.toml",
            "functions = [{ name = \"f\", reason = \"pure\" }]\n",
        )
        .with(
            "migrations/2_f.sql",
            "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;",
        );
    let first = run(&folder.0, &["lock"], "");
    assert!(
        first.status.success(),
        "{}{}",
        stdout(&first),
        stderr(&first)
    );
    let folder = folder.with(
        "migrations/3_f.sql",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2; END $$;",
    );
    let text = stdout(&run(&folder.0, &["lock", "--check"], ""));
    assert!(
        text.contains("the body of the allowed function `f` has changed"),
        "{text}"
    );
}

#[test]
fn refused_statements_make_no_lock() {
    let folder = desk("refused").with(
        "src/notes.rs",
        "#[tenant_query(\"SELECT title FROM tasks\")]\nasync fn a(db: &mut Scope<'_>) -> DbResult<i32>;\n\
         #[tenant_query(\"SELECT id FROM nowhere\")]\nasync fn b(db: &mut Scope<'_>) -> DbResult<i32>;\n",
    );
    let output = run(&folder.0, &["lock"], "");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("src/notes.rs:1:16: [W0101]"), "{text}");
    assert!(text.contains("src/notes.rs:3:16: [W0102]"), "{text}");
    assert!(!folder.0.join("watertight.lock").exists());
    let broken = desk("broken").with("src/notes.rs", "fn (");
    let output = run(&broken.0, &["lock"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("src/notes.rs:1:4"),
        "{}",
        stderr(&output)
    );
}
