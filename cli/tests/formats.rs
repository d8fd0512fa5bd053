//! Every format of every command that prints findings, as snapshots of real runs; and what readers ask of
//! them: the schema of the JSON, the schema of SARIF, JUnit as a parser of XML sees it. (`attack` has its
//! snapshots beside its code: what it finds depends on numbers drawn by chance.)

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;
#[cfg(feature = "scan")]
#[path = "scan/fake.rs"]
#[allow(dead_code)]
mod fake;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Folder, command, run, stderr, stdout};
use serde_json::Value;

const FORMATS: [&str; 6] = ["text", "json", "sarif", "github", "junit", "markdown"];

/// What the command prints in each format, without what differs from run to run.
fn snapshots(name: &str, folder: &Path, arguments: &[&str], hidden: &[(&str, &str)]) {
    for format in FORMATS {
        let output = run(folder, &[arguments, &["--format", format]].concat(), "");
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let mut text = stdout(&output);
        match format {
            "json" => valid(&text, include_str!("../../docs/findings.schema.json")),
            "sarif" => {
                valid(&text, include_str!("fixtures/sarif-2.1.0.json"));
                text = without_pages(&text);
            }
            "junit" => parses(&text),
            _ => {}
        }
        for (from, to) in hidden {
            text = text.replace(from, to);
        }
        insta::assert_snapshot!(format!("{name}_{format}"), text);
    }
    // The colours are those of the same words.
    let colours = command(folder)
        .args(arguments)
        .args(["--color", "always"])
        .output()
        .unwrap();
    let plain = stdout(&run(folder, arguments, ""));
    let colours = stdout(&colours);
    let bare: String = colours
        .split('\u{1b}')
        .enumerate()
        .map(|(number, part)| match number {
            0 => part,
            _ => part.split_once('m').unwrap().1,
        })
        .collect();
    assert_ne!(colours, plain);
    assert_eq!(bare, plain);
}

fn valid(text: &str, schema: &str) {
    let value: Value = serde_json::from_str(text).unwrap();
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&value)
        .map(|it| it.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The pages of the rules have tests of their own.
fn without_pages(text: &str) -> String {
    let mut sarif: Value = serde_json::from_str(text).unwrap();
    let rules = &mut sarif["runs"][0]["tool"]["driver"]["rules"];
    for rule in rules.as_array_mut().unwrap() {
        assert!(rule["help"]["markdown"].as_str().unwrap().len() > 80);
        rule["help"] = "…".into();
    }
    let text = serde_json::to_string_pretty(&sarif).unwrap();
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

/// The elements and attributes that readers of JUnit share, and numbers that are those of the elements.
const JUNIT: &str = r#"
import sys, xml.etree.ElementTree as tree
suites = tree.fromstring(sys.stdin.buffer.read())
assert suites.tag == "testsuites", suites.tag
for suite in suites:
    assert suite.tag == "testsuite" and {"name", "tests", "failures", "errors", "skipped", "time"} == set(suite.attrib), suite.attrib
    cases = list(suite)
    assert int(suite.get("tests")) == len(cases), suite.attrib
    for kind, count in (("failure", "failures"), ("skipped", "skipped")):
        assert int(suite.get(count)) == len(suite.findall("testcase/" + kind)), count
    for case in cases:
        assert case.tag == "testcase" and {"name", "classname", "time"} == set(case.attrib), case.attrib
        for child in case:
            assert child.tag in ("failure", "skipped") and "message" in child.attrib, child.tag
"#;

fn parses(text: &str) {
    let child = Command::new("python3")
        .args(["-c", JUNIT])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: python3 is not installed");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", stderr(&output));
}

#[test]
fn check() {
    let folder = Folder::new("formats-check")
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with("Cargo.lock", "version = 4\n\n[[package]]\nname = \"theirs\"\nversion = \"0.0.0\"\n")
        .with(
            "migrations/0001_init.sql",
            "CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, body text NOT NULL);\n",
        )
        .with(
            "src/main.rs",
            "async fn notes(pool: &sqlx::PgPool, id: uuid::Uuid) -> sqlx::Result<Vec<String>> {\n    \
             sqlx::query_scalar(\"SELECT body FROM notes -- 100%, <all> | of them\n        WHERE id = $1\")\n        \
             .bind(id).fetch_all(pool).await\n}\nfn main() {}\n",
        )
        .with(
            "watertight-suppressions.toml",
            "[[suppress]]\ncode = \"W1010\"\nat = \"migrations/*\"\nreason = \"comes with the next release\"\n",
        );
    snapshots("check", &folder.0, &["check"], &[]);
}

#[cfg(feature = "database")]
#[tokio::test]
async fn doctor() {
    let folder = Folder::new("formats-doctor");
    let devdb = watertight_devdb::DevDb::start().await.unwrap();
    let database = devdb.database().await.unwrap();
    database
        .execute_as_owner(
            "CREATE TABLE notes (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, body text);
             GRANT SELECT ON notes TO app;
             CREATE TABLE \"odd | `name` <b>\" (id uuid PRIMARY KEY);
             GRANT SELECT ON \"odd | `name` <b>\" TO app",
        )
        .await
        .unwrap();
    // The version of the server is not what this is about.
    let arguments = [
        "doctor",
        database.admin_url(),
        "--role",
        "app",
        "--allow",
        "W1041",
    ];
    let json = run(
        &folder.0,
        &[&arguments[..], &["--format", "json"]].concat(),
        "",
    );
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let about = |name: &str| json["about"][name].as_str().unwrap().to_owned();
    let (place, server) = (about("database"), about("server"));
    let hidden = [
        (place.as_str(), "HOST:PORT/NAME"),
        (server.as_str(), "SERVER"),
    ];
    snapshots("doctor", &folder.0, &arguments, &hidden);
}

#[cfg(feature = "scan")]
#[test]
fn scan() {
    let folder = Folder::new("formats-scan");
    let url = fake::serve(|request| match request.method.as_str() {
        "server/discover" => request.discovered(),
        "tools/list" => request.tools(
            &[
                ("search", &["tenant_id", "query"], true),
                ("ping", &[], true),
            ],
            serde_json::json!({}),
        ),
        _ => request.error("no such method"),
    });
    let place = url.split('/').nth(2).unwrap().to_owned();
    let arguments = ["scan", &url, "--no-probe"];
    snapshots("scan", &folder.0, &arguments, &[(&place, "HOST:PORT")]);
}
