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
            Folder::new("marker").with("m/1.sql", "SELECT 1;\n-- DOWN\n"),
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
