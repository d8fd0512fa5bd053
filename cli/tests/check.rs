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

use common::{run, stderr, stdout};
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
    for name in ["realistic", "honest", "around_macros"] {
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
