//! The catalog against histories of migrations: every expectation of the fixtures must be met.
//!
//! `expected.txt` names the class of each object at the end; `a|b` means that either is right,
//! `denied` may always be reported as `protected`, and `!` marks what was judged by hand.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use watertight_analysis::catalog::{Class, Command};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn collect(folder: &Path, below: &str, files: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, &format!("{below}{name}/"), files);
        } else {
            files.push(SourceFile {
                path: format!("{below}{name}"),
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

fn catalog(folder: &Path) -> Catalog {
    let mut files = Vec::new();
    collect(folder, "", &mut files);
    let migrations = order(files).unwrap();
    assert!(!migrations.is_empty(), "{}", folder.display());
    Catalog::build(&Config::default(), &migrations)
}

/// Splits `schema.name`, either part possibly quoted.
fn qualified(text: &str) -> (String, String) {
    let (schema, name) = text.split_once('.').unwrap();
    (
        schema.trim_matches('"').to_owned(),
        name.trim_matches('"').to_owned(),
    )
}

/// Whether a class meets one of `a|b`.
fn meets(expected: &str, class: &Class) -> bool {
    expected
        .trim_end_matches('!')
        .split('|')
        .any(|alternative| {
            let (word, reason) = alternative.split_once(':').unwrap_or((alternative, ""));
            let word_met = word == class.word()
            // Nothing passes, so it is as good as protected; a safe function is a protected call.
            || (word == "denied" && class.word() == "protected")
            || (word == "safe" && class.word() == "protected");
            // A table without a tenant column is undeclared by the same token.
            let reason_met = reason.is_empty()
                || class.reason() == Some(reason)
                || (reason == "no-tenant-column" && class.reason() == Some("undeclared"));
            word_met && reason_met
        })
}

/// Checks every line of `expected.txt`; gives what is not met.
fn check(folder: &Path) -> String {
    let catalog = catalog(folder);
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut failures = String::new();
    let mut checked = 0;
    for line in expected.lines() {
        let line = line.split('#').next().unwrap().trim();
        let mut words = line.split_whitespace();
        let (kind, name) = match words.next() {
            Some(kind @ ("table" | "view" | "function")) => (kind, words.next().unwrap()),
            _ => continue,
        };
        for expectation in words {
            let (what, expected) = expectation.split_once('=').unwrap();
            checked += 1;
            let class = if kind == "function" {
                let (schema, name) = qualified(name.trim_end_matches("()"));
                let functions = catalog.functions(Some(&schema), &name);
                assert_eq!(functions.len(), 1, "{name}");
                Some(catalog.call_class(functions[0]))
            } else {
                let (schema, name) = qualified(name);
                let command = Command::ALL
                    .into_iter()
                    .find(|command| command.sql().eq_ignore_ascii_case(what))
                    .unwrap();
                let relation = catalog.relation(Some(&schema), &name).found();
                relation.map(|relation| catalog.class(relation, command))
            };
            let met = match &class {
                Some(class) => meets(expected, class),
                None => expected == "absent",
            };
            if !met {
                writeln!(
                    failures,
                    "{}: {kind} {name} {what}: expected {expected}, got {class:?}\n  {:?}",
                    folder.file_name().unwrap().to_string_lossy(),
                    catalog.diagnostics()
                )
                .unwrap();
            }
        }
    }
    assert!(checked > 0, "{}", folder.display());
    failures
}

#[test]
fn every_history_ends_as_expected() {
    let mut failures = String::new();
    let mut cases = 0;
    for group in ["catalog", "catalog_own", "formats"] {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(fixtures().join(group))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        folders.sort();
        for folder in folders {
            failures.push_str(&check(&folder));
            cases += 1;
        }
    }
    assert!(cases >= 50, "{cases}");
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn the_main_schema_ends_as_expected() {
    let failures = check(&fixtures().join("schema"));
    assert!(failures.is_empty(), "\n{failures}");
}

/// `pg_dump` of the main schema: the same database in the words of the server.
#[test]
fn a_dump_of_the_main_schema_ends_the_same() {
    let failures = check(&fixtures().join("dump"));
    assert!(failures.is_empty(), "\n{failures}");
}
