//! The GitHub Action's own script, run as a runner would: what is found fails, after its SARIF is there.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(unix)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::{Folder, stderr, stdout};

/// The script of the step of this name.
fn script(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../action.yml");
    let text = std::fs::read_to_string(file).unwrap();
    let step = text.split(&format!("- name: {name}\n")).nth(1).unwrap();
    let run = step.split("run: |\n").nth(1).unwrap();
    let lines = run
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("        "));
    lines
        .map(|line| format!("{}\n", line.trim_start_matches("        ")))
        .collect()
}

/// The outputs of the step, and the SARIF of `check`, where there is one.
fn look(fixture: &str, more: &[(&str, &str)]) -> (String, Option<serde_json::Value>) {
    let folder = Folder::new(&format!("action-{}", fixture.replace('/', "-")));
    // `cargo watertight …` is the program under test.
    let cargo = folder.0.join("bin/cargo");
    std::fs::create_dir_all(cargo.parent().unwrap()).unwrap();
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let shim = format!(
        "#!/bin/sh\nexport CARGO='{real}'\nexec '{}' \"$@\"\n",
        common::program().display()
    );
    std::fs::write(&cargo, shim).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        cargo.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args([
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            &script("Look"),
        ])
        .current_dir(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fixtures/check")
                .join(fixture),
        )
        .env("PATH", path)
        .env("OUT", folder.0.join("out"))
        .env("GITHUB_OUTPUT", folder.0.join("outputs"))
        .env("GITHUB_STEP_SUMMARY", folder.0.join("summary.md"))
        .envs([
            ("CHECK", "true"),
            ("CHECK_ARGUMENTS", ""),
            ("LOCK", "true"),
            ("DATABASE_URL", ""),
        ])
        .envs(more.iter().copied())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let outputs = std::fs::read_to_string(folder.0.join("outputs")).unwrap();
    let summary = std::fs::read_to_string(folder.0.join("summary.md")).unwrap_or_default();
    assert!(
        summary.is_empty() || summary.contains("## watertight check"),
        "{summary}"
    );
    let sarif = std::fs::read_to_string(folder.0.join("out/check.sarif")).ok();
    (
        outputs,
        sarif.map(|text| serde_json::from_str(&text).unwrap()),
    )
}

#[test]
fn what_is_found_fails_and_is_uploaded() {
    let (outputs, sarif) = look("query_without_filter/dangerous", &[]);
    assert!(
        outputs.contains("worst=1\n") && outputs.contains("found=1\n"),
        "{outputs}"
    );
    let results = sarif.unwrap()["runs"][0]["results"]
        .as_array()
        .unwrap()
        .len();
    assert!(results > 0);
}

#[test]
fn what_is_clear_passes() {
    let (outputs, sarif) = look("query_without_filter/safe", &[]);
    assert!(outputs.contains("worst=0\n"), "{outputs}");
    assert!(sarif.is_some());
}

#[test]
fn what_could_not_be_looked_at_is_no_sarif() {
    let (outputs, sarif) = look("no_audit/safe", &[("CHECK_ARGUMENTS", "--deny W4711")]);
    assert!(
        outputs.contains("worst=2\n") && outputs.contains("found=0\n"),
        "{outputs}"
    );
    assert!(sarif.is_none());
}
