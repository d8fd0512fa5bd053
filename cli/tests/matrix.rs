//! The documentation's matrix of the six faults: what it says is what the table of rules says, and what
//! `check` is said to show it shows on the fixture of that fault.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{run, stderr};
use serde_json::Value;
use watertight_analysis::finding::{FAULTS, Sight, matrix};

#[test]
fn the_documentation_has_the_matrix_that_the_rules_make() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find("| fault |").unwrap_or(text.len());
    let end = text[start..]
        .find("\n\n")
        .map_or(text.len(), |end| start + end + 1);
    let written = &text[start..end];
    if written != matrix() && std::env::var_os("INSTA_UPDATE").is_some() {
        let head = text[..start].replace("MATRIX\n", "");
        let tail = if start == text.len() {
            ""
        } else {
            &text[end..]
        };
        std::fs::write(&path, format!("{head}{}{tail}", matrix())).unwrap();
        return;
    }
    assert_eq!(
        written,
        matrix(),
        "docs/findings.md: INSTA_UPDATE=always writes it again"
    );
}

#[test]
fn check_shows_what_it_is_said_to_show() {
    let fixtures = [
        "tenant_in_schema",
        "query_without_filter",
        "pool_reset",
        "no_row_security",
        "tenant_in_error",
        "no_audit",
    ];
    for (fault, fixture) in FAULTS.iter().zip(fixtures) {
        let cell = fault
            .cells
            .iter()
            .find(|cell| cell.command == "check")
            .unwrap();
        assert_eq!(cell.sight, Sight::Shows);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/check")
            .join(fixture)
            .join("dangerous");
        let output = run(&folder, &["check", "--format", "json"], "");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", stderr(&output)));
        let findings = report["findings"].as_array().unwrap();
        let told: BTreeSet<&str> = findings
            .iter()
            .map(|it| it["code"].as_str().unwrap())
            .collect();
        assert!(
            cell.codes.iter().any(|code| told.contains(code.number())),
            "{}: {told:?}",
            fault.name
        );
        let of_fault = findings
            .iter()
            .filter(|it| cell.codes.iter().any(|code| it["code"] == code.number()));
        let worst = of_fault.filter(|it| it["verdict"] == "finding");
        assert!(
            worst
                .clone()
                .any(|it| it["severity"] == fault.level.to_string()
                    && it["axis"] == fault.axis.to_string()),
            "{}",
            fault.name
        );
    }
}
