//! `catalog pull` against a real PostgreSQL: what it writes is judged like the migrations that made
//! the database, or more strictly.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "database")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_devdb::{Database, DevDb};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../analysis/tests/fixtures")
}

fn run(folder: &Path, args: &[&str]) -> Output {
    common::run(folder, args, "")
}

/// The class of each command and call, by object.
fn classes(folder: &Path, migrations: &Path) -> BTreeMap<String, String> {
    let output = run(
        folder,
        &[
            "catalog",
            "--format",
            "json",
            "--migrations",
            migrations.to_str().unwrap(),
        ],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for row in rows {
        let name = format!(
            "{}.{}",
            row["schema"].as_str().unwrap(),
            row["name"].as_str().unwrap()
        );
        if let Some(commands) = row["commands"].as_object() {
            for (command, class) in commands {
                let class = class["class"].as_str().unwrap().to_owned();
                found.insert(format!("{name} {command}"), class);
            }
        } else {
            let class = row["call"]["class"].as_str().unwrap().to_owned();
            found.insert(
                format!("{name}({}) call", row["arguments"].as_str().unwrap()),
                class,
            );
        }
    }
    found
}

/// Whether a class promises no more than another.
fn as_strict(pulled: &str, written: &str) -> bool {
    pulled == written
        // Nothing passes either way, and a protected command needs no more than a denied one.
        || (pulled == "protected" && written == "denied")
        || matches!(pulled, "unknown" | "unprotected")
        || (pulled == "scoped" && written == "protected")
        // The server knows the end of what a reader of files can't tell.
        || written == "unknown"
        // What an event trigger did while migrations ran is over.
        || written == "unprotected"
}

fn migrations(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .filter(|path| !path.to_string_lossy().ends_with(".down.sql"))
        .collect();
    let number = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse::<u64>()
            .unwrap_or(0)
    };
    files.sort_by_key(number);
    files
}

async fn apply(database: &Database, folder: &Path) -> Result<(), watertight_devdb::Error> {
    for file in migrations(folder) {
        database
            .execute_as_admin(&std::fs::read_to_string(file).unwrap())
            .await?;
    }
    Ok(())
}

fn pull(folder: &Path, database: &Database, more: &[&str]) -> Output {
    let mut args = vec![
        "catalog",
        "pull",
        "--database-url",
        database.admin_url(),
        "--output",
        "snapshot.sql",
    ];
    args.extend(more);
    run(folder, &args)
}

fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("watertight-pull-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Pulls a database that a folder of migrations makes; gives how the classes differ.
fn differences(folder: &Path, case: &Path, database: &Database) -> (usize, Vec<String>) {
    let output = pull(folder, database, &[]);
    assert!(
        output.status.success(),
        "{}: {}",
        case.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let pulled = classes(folder, &folder.join("snapshot.sql"));
    let written = classes(folder, case);
    let (mut equal, mut wrong) = (0, Vec::new());
    for (what, class) in &written {
        match pulled.get(what) {
            Some(other) if other == class => equal += 1,
            Some(other) if as_strict(other, class) => {
                eprintln!(
                    "{}: {what}: {class} by the migrations, {other} by the snapshot",
                    case.display()
                );
            }
            // Where files do not tell, the server does.
            _ if class == "unknown" => {}
            other => wrong.push(format!(
                "{}: {what}: {class}, pulled {other:?}",
                case.display()
            )),
        }
    }
    (equal, wrong)
}

#[tokio::test]
async fn a_pulled_schema_is_judged_like_its_migrations() {
    let server = DevDb::start().await.unwrap();
    let folder = temporary("schema");
    let schema = fixtures().join("schema");
    let database = server.database().await.unwrap();
    apply(&database, &schema).await.unwrap();
    let (equal, wrong) = differences(&folder, &schema, &database);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal > 100, "{equal}");

    // The statements of the fixtures are judged the same.
    let mut lines = String::new();
    for entry in std::fs::read_dir(fixtures().join("statements")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for case in text.split("-- case: ").skip(1) {
            let (name, rest) = case.split_once('\n').unwrap();
            let sql: Vec<&str> = rest
                .lines()
                .skip_while(|line| line.starts_with("-- ") && line.contains(": "))
                .collect();
            let line = serde_json::json!({"id": name.trim(), "sql": sql.join("\n")});
            lines.push_str(&format!("{line}\n"));
        }
    }
    std::fs::write(folder.join("statements.jsonl"), lines).unwrap();
    let judge = |migrations: &Path| {
        let output = run(
            &folder,
            &[
                "prove",
                "--input",
                "jsonl",
                "--format",
                "jsonl",
                "--migrations",
                migrations.to_str().unwrap(),
                "statements.jsonl",
            ],
        );
        assert!(output.status.success());
        let verdicts: Vec<(String, String, String)> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                (
                    line["id"].to_string(),
                    line["verdict"].to_string(),
                    line["grade"].to_string(),
                )
            })
            .collect();
        assert!(verdicts.len() > 300);
        verdicts
    };
    let (written, pulled) = (judge(&schema), judge(&folder.join("snapshot.sql")));
    let differ: Vec<_> = written
        .iter()
        .zip(&pulled)
        .filter(|(a, b)| a != b)
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");

    // The same database, read again, is the same text; another one is a difference that is shown.
    assert!(pull(&folder, &database, &["--check"]).status.success());
    database
        .execute_as_admin("CREATE TABLE public.added (id int, tenant_id uuid)")
        .await
        .unwrap();
    let output = pull(&folder, &database, &["--check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("+ CREATE TABLE public.added"), "{told}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn pulled_histories_are_judged_as_strictly_as_their_migrations() {
    let server = DevDb::start().await.unwrap();
    let folder = temporary("histories");
    let (mut ran, mut equal, mut wrong) = (0, 0, Vec::new());
    // All of them take minutes; some of each run every time.
    let all = std::env::var_os("WATERTIGHT_ALL_HISTORIES").is_some();
    for group in ["catalog", "catalog_own"] {
        let mut cases: Vec<PathBuf> = std::fs::read_dir(fixtures().join(group))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        cases.sort();
        for case in cases.into_iter().step_by(if all { 1 } else { 4 }) {
            // `TO current_user` is whoever migrated, which the server knows.
            if case.ends_with("owner_policy_current_user") {
                continue;
            }
            let database = server.database().await.unwrap();
            // Roles belong to the cluster: each case finds them as they are at first.
            database
                .execute_as_admin(
                    "DO $$ BEGIN CREATE ROLE support; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                     ALTER ROLE app NOSUPERUSER NOBYPASSRLS; REVOKE support FROM app;",
                )
                .await
                .unwrap();
            // Some need roles of their own that another case has made, or settings of a cluster.
            if let Err(error) = apply(&database, &case).await {
                eprintln!("{} does not run: {error}", case.display());
                continue;
            }
            ran += 1;
            let (same, worse) = differences(&folder, &case, &database);
            equal += same;
            wrong.extend(worse);
        }
    }
    eprintln!("{ran} histories ran, {equal} classes are equal");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > if all { 150 } else { 30 }, "{ran}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_password_is_never_told() {
    let folder = temporary("password");
    for url in [
        "postgres://app:hunter2@127.0.0.1:1/none",
        "postgres://app:hunter2@[bad",
        "hunter2",
    ] {
        let output = run(&folder, &["catalog", "pull", "--database-url", url]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let help = run(&folder, &["catalog", "pull", "--help"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("DATABASE_URL"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// The ways of writing that tools have: a server that ran the files as their tool does ends as the
/// files are judged.
#[tokio::test]
async fn what_tools_write_ends_as_it_is_judged() {
    fn collect(folder: &Path, below: &str, files: &mut Vec<SourceFile>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                collect(&path, &format!("{below}{name}/"), files);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let path = format!("{below}{name}");
                files.push(SourceFile { path, text });
            }
        }
    }
    let server = DevDb::start().await.unwrap();
    for tool in ["django", "flyway", "liquibase", "prisma", "rails"] {
        let case = fixtures().join("formats").join(tool);
        let mut files = Vec::new();
        collect(&case, "", &mut files);
        let database = server.database().await.unwrap();
        if tool == "prisma" {
            database
                .execute_as_admin("CREATE ROLE backoffice")
                .await
                .unwrap();
        }
        for migration in order(files).unwrap() {
            database.execute_as_admin(&migration.text).await.unwrap();
        }
        let folder = temporary(tool);
        let (equal, wrong) = differences(&folder, &case, &database);
        assert!(wrong.is_empty(), "{tool}: {}", wrong.join("\n"));
        assert!(equal > 5, "{tool}: {equal}");
    }
}

/// What was seen to leak although the snapshot was proved: each must be refused.
#[tokio::test]
async fn what_leaked_past_a_snapshot_is_refused() {
    const NOTES: &str = "
        CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, body text);
        ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
        ALTER TABLE notes FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);";
    for (name, change, statement) in [
        (
            "role",
            "CREATE ROLE boss BYPASSRLS; GRANT boss TO app; ALTER ROLE app SET role = 'boss'",
            "SELECT body FROM notes",
        ),
        (
            "catalog",
            "CREATE SCHEMA x; CREATE VIEW x.notes AS SELECT * FROM public.notes;
             ALTER VIEW x.notes SET SCHEMA pg_catalog",
            "SELECT body FROM notes",
        ),
        (
            "extension",
            "CREATE EXTENSION citext;
             CREATE FUNCTION public.same(varchar, varchar) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
             CREATE OPERATOR public.= (FUNCTION = public.same, LEFTARG = varchar, RIGHTARG = varchar);
             ALTER EXTENSION citext ADD FUNCTION public.same(varchar, varchar);
             ALTER EXTENSION citext ADD OPERATOR public.= (varchar, varchar);
             CREATE TABLE docs (id int PRIMARY KEY, tenant_id uuid NOT NULL, owner varchar, body text)",
            "SELECT body FROM docs WHERE tenant_id = $tenant AND owner = 'a'::varchar",
        ),
        ("nothing", "SELECT 1", "SELECT body FROM notes"),
    ] {
        let server = DevDb::start().await.unwrap();
        let database = server.database().await.unwrap();
        database.execute_as_admin(NOTES).await.unwrap();
        database.execute_as_admin(change).await.unwrap();
        let folder = temporary(name);
        let pulled = pull(&folder, &database, &[]);
        assert!(
            pulled.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&pulled.stderr)
        );
        std::fs::write(folder.join("statement.sql"), statement).unwrap();
        let judged = run(
            &folder,
            &["prove", "--migrations", "snapshot.sql", "statement.sql"],
        );
        let shown = String::from_utf8_lossy(&judged.stdout);
        assert_eq!(!shown.contains("refused"), name == "nothing", "{name}: {shown}");
    }
}
