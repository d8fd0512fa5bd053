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

/// A path on which `cargo watertight …` is the program under test.
fn shim(folder: &Folder) -> String {
    let cargo = folder.0.join("bin/cargo");
    std::fs::create_dir_all(cargo.parent().unwrap()).unwrap();
    let real = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let shim = format!(
        "#!/bin/sh\nexport CARGO='{real}'\nexec '{}' \"$@\"\n",
        common::program().display()
    );
    std::fs::write(&cargo, shim).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!(
        "{}:{}",
        cargo.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    )
}

/// The outputs of the step, and the SARIF of `check`, where there is one.
fn look(fixture: &str, more: &[(&str, &str)]) -> (String, Option<serde_json::Value>) {
    let folder = Folder::new(&format!("action-{}", fixture.replace('/', "-")));
    let path = shim(&folder);
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

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(path).unwrap()
}

/// The lines below a key, as far as they are indented further.
fn below<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| line.trim_end() != key);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first = indent(lines.next().unwrap_or_default());
    lines
        .take_while(|line| line.trim().is_empty() || indent(line) > first)
        .collect()
}

#[test]
fn the_action_is_what_its_readers_take() {
    let text = text("action.yml");
    // Nobody has to fill in whose it is.
    assert!(!text.contains("OWNER"));
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '#']))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    assert_eq!(
        keys,
        [
            "name",
            "description",
            "branding",
            "inputs",
            "outputs",
            "runs"
        ]
    );
    assert!(below(&text, "runs:").contains(&"  using: composite"));
    let inputs = below(&text, "inputs:");
    let named: Vec<&str> = inputs
        .iter()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.trim().trim_end_matches(':'))
        .collect();
    let described = inputs
        .iter()
        .filter(|line| line.trim().starts_with("description: "));
    assert_eq!(described.count(), named.len());
    let mut scripts = 0;
    for step in text.split("    - name: ").skip(1) {
        assert!(
            step.contains("\n      uses: ") || step.contains("\n      shell: bash\n"),
            "a step that runs has a shell: {step}"
        );
        let run = step.split_once("      run: ").map_or("", |(_, run)| run);
        scripts += usize::from(!run.is_empty());
        // A value that is pasted into a script is a part of the script.
        assert!(!run.contains("${{"), "{run}");
    }
    assert_eq!(scripts, 3);
    for expression in text.split("${{ ").skip(1) {
        let expression = expression.split(" }}").next().unwrap();
        for word in expression.split_whitespace() {
            if let Some(input) = word.strip_prefix("inputs.") {
                assert!(named.contains(&input), "{input}");
            }
            if let Some(output) = word.strip_prefix("steps.run.outputs.") {
                assert!(text.contains(&format!("echo \"{output}=")), "{output}");
            }
        }
    }
}

/// The hooks of the file, each with its keys.
fn hooks() -> Vec<std::collections::BTreeMap<String, String>> {
    let text = text(".pre-commit-hooks.yaml");
    let mut hooks: Vec<std::collections::BTreeMap<String, String>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with("- ") {
            hooks.push(Default::default());
        }
        let (key, value) = line
            .trim_start_matches("- ")
            .trim()
            .split_once(": ")
            .unwrap();
        hooks
            .last_mut()
            .unwrap()
            .insert(key.to_owned(), value.to_owned());
    }
    hooks
}

#[test]
fn the_hooks_are_what_pre_commit_takes() {
    let folder = Folder::new("action-hooks");
    let known = [
        "id",
        "name",
        "description",
        "entry",
        "language",
        "types_or",
        "pass_filenames",
    ];
    let hooks = hooks();
    assert_eq!(hooks.len(), 2);
    for hook in &hooks {
        for key in ["id", "name", "entry", "language"] {
            assert!(hook.contains_key(key), "{key}: {hook:?}");
        }
        assert!(
            hook.keys().all(|key| known.contains(&key.as_str())),
            "{hook:?}"
        );
        assert_eq!(hook["pass_filenames"], "false");
        // The command of the hook is one that there is.
        let entry = hook["entry"].strip_prefix("cargo ").unwrap();
        let arguments: Vec<&str> = entry.split(' ').chain(["--help"]).collect();
        let output = common::run(&folder.0, &arguments, "");
        assert!(output.status.success(), "{entry}: {}", stderr(&output));
    }
}

/// A repository that takes the hook, as its owner would, where pre-commit is installed.
#[test]
fn pre_commit_runs_the_hook() {
    if Command::new("pre-commit")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: pre-commit is not installed");
        return;
    }
    let folder = Folder::new("action-pre-commit");
    let hooks = folder.0.join("hooks");
    let git = |at: &Path, arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(arguments)
            .current_dir(at)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output)
    };
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::write(
        hooks.join(".pre-commit-hooks.yaml"),
        text(".pre-commit-hooks.yaml"),
    )
    .unwrap();
    git(&hooks, &["init", "-q"]);
    git(&hooks, &["add", "-A"]);
    git(&hooks, &["commit", "-qm", "hooks"]);
    let head = git(&hooks, &["rev-parse", "HEAD"]);
    for (fixture, status) in [
        ("query_without_filter/dangerous", 1),
        ("query_without_filter/safe", 0),
    ] {
        let theirs = folder.0.join(fixture.replace('/', "-"));
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/check")
            .join(fixture);
        copy(&from, &theirs);
        let config = format!(
            "repos:\n- repo: {}\n  rev: {}\n  hooks:\n  - id: watertight-check\n",
            hooks.display(),
            head.trim()
        );
        std::fs::write(theirs.join(".pre-commit-config.yaml"), config).unwrap();
        git(&theirs, &["init", "-q"]);
        git(&theirs, &["add", "-A"]);
        let output = Command::new("pre-commit")
            .args(["run", "--all-files"])
            .current_dir(&theirs)
            .env("PATH", shim(&folder))
            .env("PRE_COMMIT_HOME", folder.0.join("cache"))
            .output()
            .unwrap();
        let told = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{fixture}: {told}");
        assert_eq!(told.contains("W0101"), status == 1, "{fixture}: {told}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
