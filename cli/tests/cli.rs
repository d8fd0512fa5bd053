//! The command line from outside: what scripts rely on.

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
