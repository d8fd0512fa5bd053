//! What every command that reports has in common, on real output: formats that their readers take,
//! colours, rules denied and allowed, baselines, suppressions, the exit status, and no secret anywhere.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{Folder, command, run, stderr, stdout};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/check")
        .join(name)
}

fn with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(folder)
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn check(folder: &Path, format: &str) -> String {
    let output = run(folder, &["check", "--format", format], "");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn every_format_says_the_same() {
    let folder = fixture("realistic");
    let json: Value = serde_json::from_str(&check(&folder, "json")).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert!(findings.len() > 3);
    let count = findings.len();

    let sarif: Value = serde_json::from_str(&check(&folder, "sarif")).unwrap();
    let schema = include_str!("fixtures/sarif-2.1.0.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&sarif)
        .map(|it| it.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let run_ = &sarif["runs"][0];
    let results = run_["results"].as_array().unwrap();
    assert_eq!(results.len(), count);
    let rules = run_["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        let tags: BTreeSet<&str> = rule["properties"]["tags"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(
            tags.iter().any(|tag| tag.starts_with("owasp-mcp/MCP")),
            "{tags:?}"
        );
        assert!(
            rule["help"]["markdown"].as_str().unwrap().len() > 80,
            "{rule}"
        );
    }
    let tagged = rules.iter().filter(|rule| {
        rule["properties"]["tags"]
            .to_string()
            .contains("external/cwe/cwe-639")
    });
    assert!(tagged.count() > 0);
    for result in results {
        assert!(result["partialFingerprints"]["watertight/v1"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        let file = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(
            !file.starts_with('/'),
            "code scanning wants paths of the repository: {file}"
        );
        // From the root of the repository, where the sources are in one.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let known = [root.join(file), folder.join(file)];
        let path = known.iter().find(|it| it.exists());
        // A file that is missing may be what was found.
        let lines = std::fs::read_to_string(path.unwrap_or(&known[0]))
            .map_or(1, |text| text.lines().count().max(1));
        let line = place["region"]["startLine"].as_u64().unwrap();
        assert!(line >= 1 && line <= lines as u64, "{file}:{line}");
    }

    let github = check(&folder, "github");
    let annotations = github.lines().filter(|line| {
        line.starts_with("::error") || line.starts_with("::warning") || line.starts_with("::notice")
    });
    assert_eq!(annotations.count(), count, "{github}");
    let junit = check(&folder, "junit");
    let failures = junit.matches("<failure").count() + junit.matches("<skipped").count();
    assert!(
        failures >= 1 && junit.trim_end().ends_with("</testsuites>"),
        "{junit}"
    );
    let markdown = check(&folder, "markdown");
    let rows = markdown.lines().filter(|line| {
        line.starts_with("| HIGH") || line.starts_with("| MEDIUM") || line.starts_with("| LOW")
    });
    assert_eq!(rows.count(), count, "{markdown}");
    let text = check(&folder, "text");
    for finding in findings {
        let code = finding["code"].as_str().unwrap();
        assert!(text.contains(&format!("[{code}]")), "{code}");
    }
}

#[test]
fn fingerprints_stay_when_lines_move() {
    let of = |name: &str, before: &str| -> BTreeSet<String> {
        let from = fixture("query_without_filter/dangerous");
        let folder = Folder::new(name);
        copy(&from, &folder.0);
        let main = folder.0.join("src/main.rs");
        let text = std::fs::read_to_string(&main).unwrap();
        std::fs::write(&main, format!("{before}{text}")).unwrap();
        let json: Value = serde_json::from_str(&check(&folder.0, "json")).unwrap();
        let findings = json["findings"].as_array().unwrap().iter();
        findings
            .map(|it| it["fingerprint"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of("manners-still", ""), of("manners-moved", "//\n//\n//\n"));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let folder = fixture("query_without_filter/dangerous");
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        stdout(&with(&folder, &[&["check"], arguments].concat(), variables)).contains('\u{1b}')
    };
    // Standard output of a test is no terminal.
    assert!(!coloured(&[], &[]));
    assert!(coloured(&["--color", "always"], &[]));
    assert!(!coloured(&["--color", "never"], &[]));
    // The same for commands that report in their own way.
    for command in [
        &["explain", "--color", "always"][..],
        &["--color", "always", "catalog"],
    ] {
        assert!(stdout(&with(&folder, command, &[])).contains('\u{1b}') || command[0] == "explain");
    }
    // What is asked for on the command line counts more than what stands in the environment.
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    for format in ["json", "sarif", "github", "junit", "markdown"] {
        assert!(
            !coloured(&["--color", "always", "--format", format], &[]),
            "{format}"
        );
    }
}

#[test]
fn the_exit_status_follows_what_is_denied_allowed_and_known() {
    let folder = fixture("query_without_filter/dangerous");
    let status = |arguments: &[&str]| {
        run(&folder, &[&["check"], arguments].concat(), "")
            .status
            .code()
    };
    assert_eq!(status(&[]), Some(1));
    assert_eq!(status(&["--allow", "W4711"]), Some(2));
    let json: Value = serde_json::from_str(&check(&folder, "json")).unwrap();
    let codes: BTreeSet<&str> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    let allow: Vec<&str> = codes.iter().flat_map(|code| ["--allow", code]).collect();
    assert_eq!(status(&allow), Some(0));
    let baseline = Folder::new("manners-baseline");
    let file = baseline.0.join("baseline.json");
    let file = file.to_str().unwrap();
    assert_eq!(status(&["--write-baseline", file]), Some(0));
    assert_eq!(status(&["--baseline", file]), Some(0));
    assert_eq!(status(&["--baseline", "nowhere.json"]), Some(2));
    // What needs a low review passes, unless it is denied.
    let safe = fixture("query_without_filter/safe");
    let json = run(&safe, &["check", "--format", "json"], "");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let low = json["findings"]
        .as_array()
        .unwrap()
        .first()
        .map(|it| it["code"].as_str().unwrap().to_owned());
    if let Some(code) = low {
        let output = run(&safe, &["check", "--deny", &code], "");
        assert_eq!(output.status.code(), Some(1), "{code}");
    }
}

#[test]
fn a_suppression_needs_a_reason_expires_and_is_told_when_it_does_nothing() {
    let folder = Folder::new("manners-suppress");
    copy(&fixture("query_without_filter/dangerous"), &folder.0);
    let json: Value = serde_json::from_str(&check(&folder.0, "json")).unwrap();
    let findings = json["findings"].as_array().unwrap();
    let all: Vec<(String, String)> = findings
        .iter()
        .map(|it| {
            (
                it["code"].as_str().unwrap().to_owned(),
                it["place"]["name"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let text = |more: &str| -> String {
        all.iter()
            .map(|(code, at)| format!("[[suppress]]\ncode = \"{code}\"\nat = \"{at}\"\n{more}\n"))
            .collect()
    };
    let told = |text: &str| -> (Option<i32>, String) {
        std::fs::write(folder.0.join("watertight-suppressions.toml"), text).unwrap();
        let output = run(&folder.0, &["check"], "");
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (status, out) = told(&text("reason = \"a demo without data\""));
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("suppressed"), "{out}");
    let (status, out) = told(&text(""));
    assert_eq!(status, Some(1));
    assert!(out.contains("gives no reason"), "{out}");
    let (status, out) = told(&text(
        "reason = \"a demo without data\"\nexpires = \"2020-01-31\"",
    ));
    assert_eq!(status, Some(1));
    assert!(out.contains("expired on 2020-01-31"), "{out}");
    let unused = "[[suppress]]\ncode = \"W1201\"\nat = \"src/other.rs\"\nreason = \"gone since\"\n";
    let (_, out) = told(&format!(
        "{}{unused}",
        text("reason = \"a demo without data\"")
    ));
    assert!(out.contains("suppresses nothing"), "{out}");
    // What only another command finds is that command's to use.
    let others =
        "[[suppress]]\ncode = \"W1001\"\nat = \"app\"\nreason = \"of the live database\"\n";
    let (_, out) = told(&format!(
        "{}{others}",
        text("reason = \"a demo without data\"")
    ));
    assert!(!out.contains("suppresses nothing"), "{out}");
    let (status, _) = told("[[suppress]]\ncode = \"W1201\"\nat = \"a\"\nresaon = \"misspelt\"\n");
    assert_eq!(status, Some(2));
}

/// Nothing listens there: what is told is about the connection.
#[cfg(feature = "database")]
#[test]
fn a_password_is_in_no_output() {
    let folder = Folder::new("manners-secret")
        .with("migrations/1_a.sql", "CREATE TABLE a (id uuid);")
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with("src/lib.rs", "");
    let secrets = [
        "hunter2-in-the-url",
        "hunter2%2Din%2Dthe%2Durl",
        "hunter2-in-a-parameter",
    ];
    let urls = [
        "postgres://reader:hunter2-in-the-url@127.0.0.1:1/crm",
        "postgres://reader:hunter2%2Din%2Dthe%2Durl@127.0.0.1:1/crm?sslmode=disable",
        "postgres://reader@127.0.0.1:1/crm?password=hunter2-in-a-parameter",
        // No URL at all, with a secret in it.
        "postgres//reader:hunter2-in-the-url@127.0.0.1:1/crm",
        "postgres://reader:hunter2-in-the-url@127.0.0.1:port/crm",
        // Letters that end a part of a URL, as somebody writes them who does not know it.
        "postgres://reader:a@hunter2-in-the-url/b@127.0.0.1:1/crm",
        "postgres://reader:1/hunter2-in-the-url@127.0.0.1:1/crm",
        "postgres://reader:1?hunter2-in-the-url@127.0.0.1:1/crm",
        "postgres://reader:1#hunter2-in-the-url@127.0.0.1:1/crm",
        "postgres://reader@127.0.0.1:1/crm?options=-c%20a.b%3Dhunter2-in-the-url&sslmode=hunter2-in-the-url",
        // What libpq takes, and we don't.
        "host=127.0.0.1 port=1 user=reader password=hunter2-in-the-url",
    ];
    for url in urls {
        let server = url.replacen("postgres", "http", 1);
        let commands: [&[&str]; 9] = [
            &["doctor", "--database-url", url],
            &["doctor", url, "--no-such-option"],
            &[
                "scan",
                &server,
                "--header",
                "Authorization: Bearer hunter2-in-the-url",
            ],
            &["doctor", url],
            &["doctor", url, "--format", "sarif"],
            &["attack", url],
            &["catalog", "pull", "--database-url", url],
            &["report", "--database-url", url],
            &["audit", "verify", "--database-url", url],
        ];
        for command in commands {
            let output = run(&folder.0, command, "");
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command:?}: {}",
                stderr(&output)
            );
            let out = stdout(&output) + &stderr(&output);
            for secret in secrets {
                assert!(!out.contains(secret), "{command:?}: {out}");
            }
        }
        // By the environment as well, and in no help.
        for command in [
            &["doctor"][..],
            &["doctor", "--help"],
            &["attack", "--help"],
        ] {
            let password = ("PGPASSWORD", "hunter2-in-the-url");
            let output = with(&folder.0, command, &[("DATABASE_URL", url), password]);
            let out = stdout(&output) + &stderr(&output);
            for secret in secrets {
                assert!(!out.contains(secret), "{command:?}: {out}");
            }
        }
    }
}
