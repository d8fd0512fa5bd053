//! The command line from outside: what scripts rely on.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder that is removed with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("watertight-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const NOTES: &str = "
CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text NOT NULL);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE TABLE tasks (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, title text NOT NULL);
CREATE TABLE jobs (id uuid PRIMARY KEY, payload jsonb);
CREATE VIEW v_notes AS SELECT id, body FROM notes;
CREATE FUNCTION everything(q text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
    AS $$ SELECT count(*) FROM notes WHERE body = q $$;
";

fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cargo-watertight"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it reads closes the pipe; its status is what counts.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn json_lines_keep_their_order_and_ids() {
    let folder = Folder::new("jsonl").with("migrations/1_init.sql", NOTES);
    let input = "{\"id\":\"a\",\"sql\":\"SELECT body FROM notes\"}\n\
                 {\"id\":2,\"sql\":\"SELECT payload FROM jobs\"}\n\
                 not json\n\
                 {\"id\":\"d\"}\n\
                 {\"id\":\"e\",\"sql\":\"SELECT title FROM tasks WHERE tenant_id = $tenant\"}\n";
    let output = run(
        &folder.0,
        &["prove", "--input", "jsonl", "--format", "jsonl", "-"],
        input,
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let field = |name: &str| {
        lines
            .iter()
            .map(|line| line[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        field("id"),
        [
            Value::from("a"),
            Value::from(2),
            Value::Null,
            "d".into(),
            "e".into()
        ]
    );
    assert_eq!(
        field("verdict"),
        ["proved", "refused", "refused", "refused", "proved"]
    );
    assert_eq!(
        field("grade"),
        [
            Value::from("rls"),
            Value::Null,
            Value::Null,
            Value::Null,
            "predicate".into()
        ]
    );
    assert_eq!(lines[0]["codes"], Value::Array(Vec::new()));
    assert_eq!(lines[1]["codes"][0], "W0103");
    assert!(lines[1]["message"].as_str().unwrap().contains("jobs"));
}

#[test]
fn the_catalog_as_json() {
    let folder = Folder::new("catalog").with("db/1_init.sql", NOTES);
    let output = run(
        &folder.0,
        &["catalog", "--migrations", "db", "--format", "json"],
        "",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    let find = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(find("notes")["kind"], "table");
    assert_eq!(find("notes")["schema"], "public");
    for command in ["select", "insert", "update", "delete"] {
        assert_eq!(find("notes")["commands"][command]["class"], "protected");
        assert_eq!(find("notes")["commands"][command]["reason"], Value::Null);
        assert_eq!(find("tasks")["commands"][command]["class"], "scoped");
    }
    assert_eq!(find("jobs")["commands"]["select"]["reason"], "undeclared");
    assert_eq!(find("jobs")["codes"][0], "W0103");
    assert_eq!(find("v_notes")["kind"], "view");
    assert_eq!(
        find("v_notes")["commands"]["select"]["reason"],
        "definer-view"
    );
    assert_eq!(find("everything")["call"]["class"], "unprotected");
    assert_eq!(find("everything")["call"]["reason"], "security-definer");
    assert_eq!(find("everything")["arguments"], "text");
    assert_eq!(find("everything")["kind"], "function");
}

#[test]
fn the_catalog_for_people_names_the_gap() {
    let text = NOTES.replace("ALTER TABLE notes FORCE ROW LEVEL SECURITY;", "");
    let folder = Folder::new("gap").with("migrations/1_init.sql", &text);
    let output = run(&folder.0, &["catalog"], "");
    let text = stdout(&output);
    assert!(text.contains("enabled, but not forced"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours outside of a terminal");
}

#[test]
fn the_nearest_configuration_counts() {
    let folder = Folder::new("config")
        .with(
            "watertight.toml",
            "migrations = [\"one\", \"two\"]\n[tenant]\ncolumn = \"org_id\"\n",
        )
        .with("one/1_a.sql", "CREATE TABLE a (id int, org_id uuid);")
        .with("two/1_b.sql", "CREATE TABLE b (id int, tenant_id uuid);")
        .with("deep/er/keep.txt", "");
    let output = run(
        &folder.0.join("deep/er"),
        &["watertight", "catalog", "--format", "json"],
        "",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(rows[0]["commands"]["select"]["class"], "scoped");
    assert_eq!(rows[1]["commands"]["select"]["class"], "unprotected");
}

#[test]
fn what_cannot_be_read_is_status_two() {
    let cases: [(&str, Folder, &[&str], &str); 6] = [
        (
            "nothing",
            Folder::new("none"),
            &["catalog", "--migrations", "nowhere"],
            "W0802",
        ),
        (
            "empty",
            Folder::new("empty").with("m/README.md", ""),
            &["catalog", "--migrations", "m"],
            "W0802",
        ),
        (
            "syntax",
            Folder::new("syntax").with("m/1.sql", "CREATE TABEL x ();"),
            &["prove", "--migrations", "m", "-"],
            "W0701",
        ),
        (
            "name",
            Folder::new("name").with("m/init.sql", ""),
            &["prove", "--migrations", "m", "-"],
            "W0702",
        ),
        (
            "marker",
            Folder::new("marker").with("m/1.sql", "SELECT 1;\n-- DOWN\nSELECT 2;\n"),
            &["prove", "--migrations", "m", "-"],
            "W0703",
        ),
        (
            "toml",
            Folder::new("toml").with("watertight.toml", "migration = 1"),
            &["catalog"],
            "W0801",
        ),
    ];
    for (name, folder, arguments, code) in &cases {
        let output = run(&folder.0, arguments, "SELECT 1");
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            stderr(&output).contains(code),
            "{name}: {}",
            stderr(&output)
        );
        assert!(stdout(&output).is_empty(), "{name}");
    }
}

#[test]
fn statements_of_a_file_are_judged_one_by_one() {
    let folder = Folder::new("file")
        .with("migrations/1_init.sql", NOTES)
        .with(
            "q.sql",
            "SELECT body FROM notes;\n-- a; comment\nSELECT title FROM tasks WHERE title = $t;\n",
        );
    let output = run(&folder.0, &["prove", "q.sql"], "");
    let text = stdout(&output);
    assert!(output.status.success());
    assert!(text.contains("statement 1  proved (rls)"), "{text}");
    assert!(text.contains("statement 2  refused"), "{text}");
    assert!(text.contains("^^^^^"), "{text}");
}

#[test]
fn a_dump_is_one_migration() {
    let dump = "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.t (id int, tenant_id uuid);\nCOPY public.t (id) FROM stdin;\n1\n\\.\n";
    let folder = Folder::new("dump").with("schema.sql", dump);
    let output = run(
        &folder.0,
        &["catalog", "--migrations", "schema.sql", "--format", "json"],
        "",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("\"scoped\""));
}

#[test]
fn explain_prints_the_page_of_a_rule() {
    let folder = Folder::new("explain");
    let by_number = stdout(&run(&folder.0, &["explain", "w0101"], ""));
    assert!(by_number.contains("unpinned") && by_number.contains("Mend:"));
    assert_eq!(
        by_number,
        stdout(&run(&folder.0, &["watertight", "explain", "unpinned"], ""))
    );
    assert!(stdout(&run(&folder.0, &["explain"], "")).lines().count() > 40);
    assert_eq!(
        run(&folder.0, &["explain", "W1234"], "").status.code(),
        Some(2)
    );
}

#[test]
fn help_teaches() {
    let folder = Folder::new("help");
    let help = stdout(&run(&folder.0, &["prove", "--help"], ""));
    assert!(
        help.contains("$tenant") && help.contains("Exit status"),
        "{help}"
    );
}

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
        "policies = [\"iso: PERMISSIVE ALL TO public\"]",
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

#[test]
fn warnings_of_the_schema_change_no_verdict() {
    let folder = Folder::new("warnings").with(
        "migrations/1_init.sql",
        &format!("{NOTES}\nALTER TABLE tasks ADD UNIQUE (title);"),
    );
    let output = run(
        &folder.0,
        &["prove"],
        "SELECT body FROM notes; SELECT id FROM notes",
    );
    let text = stdout(&output);
    assert_eq!(text.matches("W0709").count(), 1, "{text}");
    assert!(text.contains("write UNIQUE (tenant_id, title)"), "{text}");
    assert!(!text.contains("refused"), "{text}");
    let jsonl = run(
        &folder.0,
        &["prove", "--input", "jsonl", "--format", "jsonl", "-"],
        "{\"id\":1,\"sql\":\"SELECT 1\"}\n",
    );
    let line: Value = serde_json::from_str(stdout(&jsonl).trim()).unwrap();
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "verdict", "grade", "codes", "message"]);
}

#[test]
fn hostile_lines_are_answered_one_by_one() {
    let folder = Folder::new("hostile").with("migrations/1_init.sql", NOTES);
    let huge = format!(
        "{{\"id\":\"huge\",\"sql\":\"SELECT '{}'\"}}",
        "x".repeat(300_000)
    );
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let lines: Vec<&[u8]> = vec![
        b"\xef\xbb\xbf{\"id\":\"first\",\"sql\":\"SELECT body FROM notes\"}\r",
        b"{",
        b"\xff\xfe",
        b"{\"sql\":\"SELECT 1\"}",
        b"{\"id\":{\"a\":[1]},\"sql\":7}",
        b"[]",
        b"\"SELECT 1\"",
        b"{\"id\":\"nul\",\"sql\":\"SELECT \\u0000 1\"}",
        huge.as_bytes(),
        deep.as_bytes(),
        b"{\"id\":\"last\",\"sql\":\"SELECT body FROM notes\"}",
    ];
    let input = folder.0.join("input.jsonl");
    std::fs::write(&input, lines.join(&b'\n')).unwrap();
    let arguments = [
        "prove",
        "--input",
        "jsonl",
        "--format",
        "jsonl",
        "input.jsonl",
    ];
    let output = run(&folder.0, &arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let answers: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<(String, &str)> = answers
        .iter()
        .map(|it| (it["id"].to_string(), it["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen.iter()
            .map(|(id, it)| (id.as_str(), *it))
            .collect::<Vec<_>>(),
        [
            ("\"first\"", "proved"),
            ("null", "refused"),
            ("null", "refused"),
            ("null", "proved"),
            ("{\"a\":[1]}", "refused"),
            ("null", "refused"),
            ("null", "refused"),
            ("\"nul\"", "refused"),
            ("\"huge\"", "refused"),
            ("null", "refused"),
            ("\"last\"", "proved"),
        ]
    );
    for answer in answers.iter().filter(|it| it["verdict"] == "refused") {
        assert_eq!(answer["grade"], Value::Null);
        assert!(!answer["codes"].as_array().unwrap().is_empty(), "{answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
}
