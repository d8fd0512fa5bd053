//! `check` on the fixtures: each dangerous project is told of at the right line, each safe twin is clear.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, run, stderr, stdout};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/check")
        .join(name)
}

fn check(folder: &Path, more: &[&str]) -> Value {
    let mut args = vec!["check", "--format", "json"];
    args.extend(more);
    let output = run(folder, &args, "");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

/// Code, level, axis and the line of every certain finding.
fn findings(folder: &Path, report: &Value) -> Vec<String> {
    let mut told: Vec<String> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["verdict"] == "finding")
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            let place = &finding["place"];
            let file = place["name"].as_str().unwrap_or_default();
            let line = place["start"]["line"].as_u64().unwrap_or_default();
            let source = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            let line = source
                .lines()
                .nth(usize::try_from(line).unwrap().max(1) - 1);
            format!(
                "{} {} {} {file}: {}",
                text("code"),
                text("severity"),
                text("axis"),
                line.unwrap_or_default().trim()
            )
        })
        .collect();
    told.sort();
    told
}

/// What needs review and fails a run.
fn failing_reviews(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["verdict"] != "finding" && finding["severity"] != "LOW")
        .map(ToString::to_string)
        .collect()
}

#[test]
fn each_danger_is_found_where_it_stands_and_its_twin_is_clear() {
    let expected: [(&str, &[&str]); 6] = [
        (
            "tenant_in_schema",
            &["W1201 HIGH Security src/main.rs: org: Uuid,"],
        ),
        (
            "query_without_filter",
            &[
                "W0101 HIGH Security src/main.rs: \"SELECT id, status, total_cents FROM invoices WHERE status = $1 ORDER BY id\",",
                "W1010 MEDIUM Security migrations/0001_billing.sql: CREATE TABLE invoices (",
            ],
        ),
        (
            "pool_reset",
            &[
                "W1220 HIGH Security src/main.rs: sqlx::query(\"SELECT set_config('app.tenant_id', $1, false)\")",
            ],
        ),
        (
            "no_row_security",
            &["W1010 MEDIUM Security migrations/0001_billing.sql: CREATE TABLE invoices ("],
        ),
        (
            "tenant_in_error",
            &[
                "W1230 MEDIUM Credentials src/main.rs: #[error(\"tenant {tenant_id} has no invoice {id}\")]",
            ],
        ),
        (
            "no_audit",
            &["W1240 LOW Maintenance migrations/0001_billing.sql: CREATE TABLE audit_log ("],
        ),
    ];
    for (name, told) in expected {
        let dangerous = fixture(name).join("dangerous");
        let report = check(&dangerous, &[]);
        assert_eq!(findings(&dangerous, &report), told, "{name}");
        let safe = fixture(name).join("safe");
        let report = check(&safe, &[]);
        assert!(findings(&safe, &report).is_empty(), "{name}: {report:#}");
        assert!(failing_reviews(&report).is_empty(), "{name}: {report:#}");
        let status = |folder: &Path| run(folder, &["check"], "").status.code();
        assert_eq!(status(&dangerous), Some(1), "{name}");
        assert_eq!(status(&safe), Some(0), "{name}");
    }
}

/// `expect: W0101` and `review: W1250` at the end of a line, in every file of a fixture.
fn marked(folder: &Path, mark: &str) -> Vec<String> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => files(&path, found),
                path => found.push(path),
            }
        }
    }
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut marks = Vec::new();
    for path in paths {
        let shown = path
            .strip_prefix(folder)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some((_, codes)) = line.split_once(mark) {
                let codes = codes.split_whitespace();
                marks.extend(codes.map(|code| format!("{shown}:{} {code}", number + 1)));
            }
        }
    }
    marks.sort();
    marks
}

/// The places of what is told with this verdict.
fn placed(report: &Value, verdict: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut told: Vec<String> = findings
        .filter(|finding| finding["verdict"] == verdict)
        .map(|finding| {
            let place = &finding["place"];
            format!(
                "{}:{} {}",
                place["name"].as_str().unwrap(),
                place["start"]["line"],
                finding["code"].as_str().unwrap()
            )
        })
        .collect();
    told.sort();
    told.dedup();
    told
}

#[test]
fn marked_lines_are_told_of_and_no_others() {
    for name in [
        "realistic",
        "honest",
        "around_macros",
        "ways",
        "answers",
        "by_hand",
        "sessions",
    ] {
        let folder = fixture(name);
        let report = check(&folder, &[]);
        assert_eq!(
            placed(&report, "finding"),
            marked(&folder, "expect: "),
            "{name}"
        );
        let reviews = placed(&report, "needs review");
        let marks = marked(&folder, "review: ");
        for mark in &marks {
            assert!(reviews.contains(mark), "{name}: {mark}: {reviews:?}");
        }
        for told in failing_reviews(&report) {
            let told: Value = serde_json::from_str(&told).unwrap();
            let place = format!(
                "{}:{} {}",
                told["place"]["name"].as_str().unwrap(),
                told["place"]["start"]["line"],
                told["code"].as_str().unwrap()
            );
            assert!(marks.contains(&place), "{name}: {told:#}");
        }
    }
}

#[test]
fn the_report_of_a_project() {
    let output = run(
        &fixture("query_without_filter").join("dangerous"),
        &["check"],
        "",
    );
    insta::assert_snapshot!(stdout(&output));
}

/// Puts the table of a project under a policy.
const PROTECT: &str = "ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON customers USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
";

/// A project of one file, with a table of customers.
fn project(name: &str, main: &str) -> Folder {
    Folder::new(name)
        .with(
            "Cargo.toml",
            "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nsqlx = \"0.9\"\nrmcp = \"3\"\n[workspace]\n",
        )
        .with(
            "migrations/0001_init.sql",
            "CREATE TABLE customers (tenant_id uuid NOT NULL, name text NOT NULL);\n",
        )
        .with("src/main.rs", main)
}

/// Verdict and code of everything that is told of `src/main.rs`.
fn told_of(name: &str, main: &str) -> Vec<String> {
    let folder = project(name, main);
    let report = check(&folder.0, &[]);
    let findings = report["findings"].as_array().unwrap().iter();
    let mut told: Vec<String> = findings
        .filter(|finding| finding["place"]["name"] == "src/main.rs")
        .map(|finding| {
            let verdict = match finding["verdict"].as_str().unwrap() {
                "finding" => "found",
                _ => "review",
            };
            format!("{verdict} {}", finding["code"].as_str().unwrap())
        })
        .collect();
    told.sort();
    told
}

#[test]
fn what_hides_a_statement_is_told() {
    let cases = [
        ("include!(\"generated.rs\"); fn main() {}", "review W1260"),
        (
            "macro_rules! wipe { ($t:literal) => { sqlx::query(concat!(\"DELETE FROM \", $t)) } } fn main() {}",
            "review W1260",
        ),
        (
            "fn main() { html! { <p>sqlx::query(\"DELETE FROM customers\")</p> } }",
            "review W1260",
        ),
        (
            "fn all(sql: &'static str) { sqlx::query(sql); } fn main() {}",
            "review W1260",
        ),
        (
            "fn main() { helper(\"DELETE FROM customers WHERE tenant_id = 'a'\"); }",
            "review W0501",
        ),
    ];
    for (index, (main, expected)) in cases.iter().enumerate() {
        let told = told_of(&format!("hidden-{index}"), main);
        assert!(told.contains(&(*expected).to_owned()), "{main}: {told:?}");
    }
}

#[test]
fn a_statement_is_seen_however_it_is_sent() {
    let leak = "UPDATE customers SET name = 'x' WHERE tenant_id = '0198'";
    let cases = [
        format!(
            "use sqlx as db; async fn f(p: &db::PgPool) {{ db::query(\"{leak}\").execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "use sqlx::query as q; async fn f(p: &sqlx::PgPool) {{ q(\"{leak}\").execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "use sqlx::*; async fn f(p: &PgPool) {{ query(\"{leak}\").execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "mod a {{ pub use sqlx::query as run; }} async fn f(p: &sqlx::PgPool) {{ a::run(\"{leak}\").execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool) {{ sqlx::query!(\"{leak}\").execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool) {{ sqlx::Executor::execute(p, \"{leak}\").await; }} fn main() {{}}"
        ),
        format!("async fn f(p: &sqlx::PgPool) {{ p.execute(\"{leak}\").await; }} fn main() {{}}"),
        format!(
            "const Q: &str = \"{leak}\"; async fn f(p: &sqlx::PgPool) {{ sqlx::query(Q).execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool) {{ let q = \"{leak}\"; tokio::select! {{ _ = sqlx::query(q).execute(p) => {{}}, else => {{}} }} }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool, x: bool) {{ let q = if x {{ \"{leak}\" }} else {{ \"SELECT 1\" }}; sqlx::query(q).execute(p).await; }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool) {{ vec![sqlx::query(\"{leak}\").execute(p).await]; }} fn main() {{}}"
        ),
        format!(
            "async fn f(p: &sqlx::PgPool) {{ sqlx::raw_sql(\"SELECT 1; {leak}\").execute(p).await; }} fn main() {{}}"
        ),
    ];
    for (index, main) in cases.iter().enumerate() {
        let told = told_of(&format!("sent-{index}"), main);
        let seen = told
            .iter()
            .any(|it| it.ends_with("W0501") || it.ends_with("W0202"));
        assert!(seen, "{main}: {told:?}");
    }
}

#[test]
fn a_file_that_does_not_parse_is_told_and_the_rest_goes_on() {
    let main = "mod broken;\nasync fn f(p: &sqlx::PgPool) { p.execute(\"SET app.tenant_id = 'a'\").await; }\nfn main() {}";
    let folder = project("broken", main)
        .with("migrations/0002_protect.sql", PROTECT)
        .with("src/broken.rs", "pub fn half( {\n");
    let report = check(&folder.0, &[]);
    assert_eq!(placed(&report, "finding"), ["src/main.rs:2 W1220"]);
    assert!(placed(&report, "needs review").contains(&"src/broken.rs:1 W1261".to_owned()));
    assert_eq!(run(&folder.0, &["check"], "").status.code(), Some(1));
    assert_eq!(
        run(&folder.0, &["check", "-p", "other"], "").status.code(),
        Some(2)
    );
}

#[test]
fn suppressions_baselines_and_rules_are_those_of_every_command() {
    let main = "async fn f(p: &sqlx::PgPool) { p.execute(\"SET app.tenant_id = 'a'\").await; }\nfn main() {}";
    let folder = project("manners", main).with("migrations/0002_protect.sql", PROTECT);
    let status = |args: &[&str]| run(&folder.0, args, "").status.code();
    assert_eq!(status(&["check"]), Some(1));
    assert_eq!(status(&["check", "--allow", "W1220"]), Some(0));
    assert_eq!(
        status(&["check", "--allow", "W1220", "--deny", "W1260"]),
        Some(1)
    );
    assert_eq!(status(&["check", "--write-baseline", "base.json"]), Some(0));
    assert_eq!(status(&["check", "--baseline", "base.json"]), Some(0));
    let output = run(&folder.0, &["check", "--format", "sarif"], "");
    let result = |sarif: &Value| {
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        results.iter().find(|it| it["ruleId"] == "W1220").cloned()
    };
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = result(&sarif).unwrap();
    let region = &found["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (
            region["startLine"].as_u64(),
            region["startColumn"].as_u64(),
            region["endColumn"].as_u64()
        ),
        (Some(1), Some(42), Some(67))
    );
    let folder = folder.with(
        "watertight-suppressions.toml",
        "[[suppress]]\ncode = \"W1220\"\nat = \"src/*\"\nreason = \"one tenant has the whole server\"\n",
    );
    assert_eq!(run(&folder.0, &["check"], "").status.code(), Some(0));
    let output = run(&folder.0, &["check", "--format", "sarif"], "");
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Code scanning would show it as an open alert, whatever is said of it.
    assert_eq!(result(&sarif), None);
    assert!(
        sarif
            .to_string()
            .contains("one tenant has the whole server")
    );
    for format in ["github", "junit", "markdown", "json", "text"] {
        let output = run(&folder.0, &["check", "--format", format], "");
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{format}"
        );
    }
}

#[test]
fn what_macros_make_is_seen_in_the_expansion() {
    // A crate without dependencies, so that it builds anywhere: what is called sqlx is.
    let folder = Folder::new("expanded")
        .with(
            "Cargo.toml",
            "[package]\nname = \"made\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with(
            "migrations/0001_init.sql",
            "CREATE TABLE customers (tenant_id uuid NOT NULL, name text NOT NULL);\n",
        )
        .with(
            "src/main.rs",
            "mod sqlx { pub fn query(sql: &str) -> usize { sql.len() } }
macro_rules! wipe { ($name:ident, $table:ident) => { fn $name() -> usize {
    crate::sqlx::query(concat!(\"DELETE FROM \", stringify!($table))) } } }
wipe!(all, customers);
fn main() { all(); }
",
        );
    let told = |args: &[&str]| {
        let report = check(&folder.0, args);
        let findings = report["findings"].as_array().unwrap().clone();
        findings
            .iter()
            .any(|it| it["code"] == "W0202" && it["place"]["name"] == "made (expanded)")
    };
    assert!(!told(&[]));
    assert!(told(&["--expanded"]));
}

#[test]
fn what_no_parser_survives_is_told_and_the_rest_goes_on() {
    let nested = |open: &str, close: &str| {
        format!(
            "pub fn f() {{ let x = {}1{}; }}",
            open.repeat(9_000),
            close.repeat(9_000)
        )
    };
    let folder = Folder::new("nested")
        .with(
            "Cargo.toml",
            "[package]\nname = \"nested\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nsqlx = \"0.9\"\n",
        )
        .with(
            "migrations/0001_init.sql",
            "CREATE TABLE customers (tenant_id uuid NOT NULL, name text NOT NULL);\n",
        )
        .with("src/round.rs", &nested("(", ")"))
        .with("src/signs.rs", &nested("-", ""))
        .with("src/sums.rs", &nested("1 + ", ""))
        .with("src/branches.rs", &nested("if a { 1 } else { ", "}"))
        .with(
            "src/main.rs",
            "mod branches; mod round; mod signs; mod sums;
async fn all(pool: &sqlx::PgPool) { sqlx::query(\"SELECT name FROM customers\").fetch_all(pool).await; }
fn main() {}
",
        );
    let report = check(&folder.0, &[]);
    let told = report["findings"].as_array().unwrap();
    let unread = told.iter().filter(|it| it["code"] == "W1261").count();
    assert_eq!(unread, 4, "{told:#?}");
    assert!(told.iter().any(|it| it["code"] == "W0101"));
}

#[test]
fn another_database_is_not_judged_as_postgresql_and_examples_fail_no_run() {
    let manifest = |features: &str| {
        format!(
            "[package]\nname = \"notes\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nsqlx = {{ version = \"0.9\", features = [\"{features}\"] }}\n"
        )
    };
    let folder = Folder::new("sqlite")
        .with("Cargo.toml", &manifest("sqlite"))
        .with("migrations/0001_init.sql", "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant_id TEXT);\n")
        .with(
            "src/main.rs",
            "async fn add(pool: &sqlx::SqlitePool) { sqlx::query(\"INSERT OR REPLACE INTO notes (id) VALUES (?1)\").execute(pool).await; }\nfn main() {}\n",
        );
    let report = check(&folder.0, &[]);
    let told = report["findings"].as_array().unwrap();
    assert!(told.iter().all(|it| it["code"] == "W1260"), "{told:#?}");
    assert_eq!(told.len(), 2, "{told:#?}");

    let folder = Folder::new("examples")
        .with("Cargo.toml", &manifest("postgres"))
        .with("migrations/0001_init.sql", "CREATE TABLE notes (tenant_id uuid NOT NULL, body text);\nALTER TABLE notes ENABLE ROW LEVEL SECURITY;\nALTER TABLE notes FORCE ROW LEVEL SECURITY;\nCREATE POLICY own ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);\n")
        .with("src/lib.rs", "")
        .with(
            "examples/seed.rs",
            "async fn all(pool: &sqlx::PgPool) { sqlx::query(\"SELECT set_config('app.tenant_id', 'x', false)\").execute(pool).await; }\nfn main() {}\n",
        );
    let output = run(&folder.0, &["check"], "");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("W1220"), "{}", stdout(&output));
}
