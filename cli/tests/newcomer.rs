//! The command line as somebody meets it who has never heard of it: in the wrong folder, with a wrong flag,
//! without a database, in a pipe that closes. Each message says what to do next.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{Folder, NOTES, command};

/// The arguments end with status 2, and standard error has each text; standard output has nothing.
fn told(folder: &Folder, arguments: &[&str], texts: &[&str]) {
    let assert = command(&folder.0)
        .args(arguments)
        .assert()
        .code(2)
        .stdout("");
    let told = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    for text in texts {
        assert!(
            told.contains(text),
            "{arguments:?} without {text:?}: {told}"
        );
    }
    assert!(told.starts_with("error"), "{arguments:?}: {told}");
    assert!(
        !told.contains("panicked") && !told.contains('\u{1b}'),
        "{told}"
    );
}

#[test]
fn in_the_wrong_folder() {
    let folder = Folder::new("newcomer-nothing");
    for command in ["check", "lock", "report"] {
        told(
            &folder,
            &[command],
            &["Cargo.toml", "--manifest-path", "`scan`"],
        );
    }
    for command in [&["catalog"][..], &["prove", "-"], &["init"]] {
        told(&folder, command, &["--migrations DIR"]);
    }
}

#[test]
fn with_what_is_not_there() {
    let folder = Folder::new("newcomer-missing").with("migrations/1_a.sql", NOTES);
    told(
        &folder,
        &["prove", "nowhere.sql"],
        &["`nowhere.sql` can't be read"],
    );
    told(
        &folder,
        &["explain", "W4711"],
        &["no rule `W4711`", "lists them"],
    );
    told(
        &folder,
        &["check", "--allow", "nothing"],
        &["no rule `nothing`", "lists them"],
    );
    told(&folder, &["chekc"], &["similar", "check"]);
    told(&folder, &["check", "--fromat", "json"], &["--format"]);
    told(
        &folder,
        &["check", "--format", "yaml"],
        &["sarif", "markdown"],
    );
    told(
        &folder,
        &["catalog", "--config", "nowhere.toml"],
        &["nowhere.toml"],
    );
}

#[cfg(feature = "database")]
#[test]
fn without_a_database() {
    let folder = Folder::new("newcomer-database");
    told(&folder, &["doctor"], &["<DATABASE_URL>"]);
    let nobody = "postgres://reader@127.0.0.1:1/crm";
    for command in [
        &["doctor", nobody][..],
        &["doctor", "--database-url", nobody],
        &["attack", nobody],
    ] {
        told(
            &folder,
            command,
            &["127.0.0.1:1: Connection refused", "is the server running"],
        );
    }
    told(
        &folder,
        &["doctor", "mysql://127.0.0.1/crm"],
        &["no URL of a PostgreSQL"],
    );
}

#[cfg(unix)]
#[test]
fn what_can_not_be_read_is_named() {
    let folder = Folder::new("newcomer-bytes")
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with("migrations/1_a.sql", NOTES)
        .with("src/lib.rs", "mod latin;\n");
    std::fs::write(folder.0.join("src/latin.rs"), b"// caf\xe9\nfn f() {}\n").unwrap();
    let output = command(&folder.0).arg("check").output().unwrap();
    let text = common::stdout(&output) + &common::stderr(&output);
    assert!(text.contains("src/latin.rs"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    std::fs::write(folder.0.join("migrations/2_b.sql"), b"-- caf\xe9\n").unwrap();
    told(&folder, &["catalog"], &["2_b.sql"]);
}

/// `cargo watertight explain | head -1`, for every command that prints much.
#[cfg(unix)]
#[test]
fn a_pipe_that_closes_is_no_error() {
    use std::io::Read as _;
    let folder = Folder::new("newcomer-pipe").with("migrations/1_a.sql", NOTES);
    for arguments in [
        &["explain"][..],
        &["catalog"],
        &["init"],
        &["completions", "zsh"],
        &["--help"],
    ] {
        let mut child = std::process::Command::new(common::program())
            .args(arguments)
            .current_dir(&folder.0)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && !told.contains("panicked"),
            "{arguments:?}: {told}"
        );
    }
}

/// Names and comments of migrations are anybody's.
#[test]
fn no_name_acts_on_a_terminal() {
    let folder = Folder::new("newcomer-names")
        .with(
            "migrations/1_a.sql",
            "CREATE TABLE \"a\u{1b}[31mb\" (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, \"c\u{1b}]0;x\u{7}\" text UNIQUE);
             CREATE VIEW \"v\u{1b}[5m\" AS SELECT id FROM \"a\u{1b}[31mb\";
             CREATE TABLE \"g\u{202e}\" (id int); COMMENT ON TABLE \"g\u{202e}\" IS '@global x\u{1b}[2J';
             CREATE FUNCTION \"f\u{1b}[7m\"() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$;",
        )
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
        )
        .with(
            "src/lib.rs",
            "use watertight::*;\n#[tenant_query(\"SELECT x FROM \\\"a\\x1b[31mz\\\"\")] async fn r(db: &mut Scope<'_>) -> DbResult<Vec<i32>>;\n",
        );
    for arguments in [
        &["catalog"][..],
        &["init"],
        &["lock"],
        &["check"],
        &["report"],
        &["prove", "-"],
    ] {
        let statement = "SELECT '\u{1b}[31m' FROM \"a\u{1b}[31mb\"; SELECT '\u{1b}[31m'";
        let output = common::run(&folder.0, arguments, statement);
        let told = common::stdout(&output) + &common::stderr(&output);
        for c in ['\u{1b}', '\u{7}', '\u{202e}'] {
            assert!(!told.contains(c), "{arguments:?} {c:?}: {told}");
        }
        assert!(told.len() > 40, "{arguments:?}: {told}");
    }
}

#[test]
fn without_a_home_and_on_a_dumb_terminal() {
    let folder = Folder::new("newcomer-bare").with("migrations/1_a.sql", NOTES);
    let mut bare = command(&folder.0);
    bare.env_clear()
        .env("TERM", "dumb")
        .arg("catalog")
        .assert()
        .success()
        .stderr("");
}
