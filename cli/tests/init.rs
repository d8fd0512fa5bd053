//! `init` on real PostgreSQL: the proposal is applied behind the migrations of projects of several
//! shapes; then `doctor` has nothing to tell, statements are proved, and each tenant sees its rows.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "database")]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, run, stderr, stdout};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use watertight_devdb::{Database, DevDb};

/// A project before it knows of us.
struct Case {
    name: &'static str,
    sql: &'static str,
    /// The file of the first migration, and what the next one is called.
    first: &'static str,
    next: &'static str,
    /// What `watertight.toml` has to say.
    tenant: [&'static str; 3],
    /// A table, one tenant and how many of the table's rows are its own.
    rows: &'static [(&'static str, &'static str, i64)],
    /// Objects that a person has to decide.
    open: &'static [&'static str],
    /// A statement without a condition, which row-level security has to carry.
    statement: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "uuid",
        sql: include_str!("init/uuid_organizations.sql"),
        first: "migrations/20240101000000_init.sql",
        next: "_row_level_security.sql",
        tenant: ["org_id", "uuid", "app.tenant_id"],
        rows: &[
            ("customers", "00000000-0000-4000-8000-000000000001", 2),
            ("invoices", "00000000-0000-4000-8000-000000000002", 1),
            ("organizations", "00000000-0000-4000-8000-000000000002", 1),
            ("open_invoices", "00000000-0000-4000-8000-000000000001", 1),
        ],
        open: &["public.users", "public.invoice_lines", "public.plans"],
        statement: "SELECT c.name, i.total FROM customers c LEFT JOIN invoices i ON i.customer_id = c.id",
    },
    Case {
        name: "bigint",
        sql: include_str!("init/bigint_accounts.sql"),
        first: "db/migrations/0001_init.up.sql",
        next: "0002_row_level_security.up.sql",
        tenant: ["account_id", "bigint", "app.tenant_id"],
        rows: &[
            ("accounts", "1", 1),
            ("contacts", "1", 2),
            ("deals", "2", 1),
        ],
        open: &["public.deal_notes", "public.note_reactions"],
        statement: "SELECT title FROM deals ORDER BY title",
    },
    Case {
        name: "text",
        sql: include_str!("init/text_workspaces.sql"),
        first: "migrations/V1__init.sql",
        next: "V2__row_level_security.sql",
        tenant: ["workspace_id", "text", "crm.workspace_id"],
        rows: &[
            ("work.pages", "acme", 2),
            ("work.events", "evil", 1),
            ("work.\"Drafts\"", "acme", 1),
        ],
        open: &[],
        statement: "SELECT \"Title\" FROM work.pages UNION ALL SELECT what FROM work.events",
    },
    Case {
        name: "django",
        sql: include_str!("init/django.sql"),
        first: "migrations/0001_initial.sql",
        next: "0002_row_level_security.sql",
        tenant: ["organization_id", "bigint", "app.tenant_id"],
        rows: &[
            ("accounts_organization", "2", 1),
            ("accounts_membership", "2", 2),
            ("crm_contact", "1", 2),
        ],
        open: &[
            "public.auth_user",
            "public.django_session",
            "public.crm_deal_tags",
        ],
        statement: "SELECT d.title, c.full_name FROM crm_deal d JOIN crm_contact c ON c.id = d.contact_id",
    },
    Case {
        name: "prisma",
        sql: include_str!("init/prisma.sql"),
        first: "prisma/migrations/20240101120000_init/migration.sql",
        next: "_row_level_security/migration.sql",
        tenant: ["organizationId", "text", "app.tenant_id"],
        rows: &[
            ("\"Project\"", "org_a", 2),
            ("\"Organization\"", "org_b", 1),
            ("\"OpenTask\"", "org_b", 1),
        ],
        open: &["public.\"User\"", "public.\"_TaskToUser\""],
        statement: "SELECT \"title\" FROM \"OpenTask\"",
    },
    Case {
        name: "schemas",
        sql: include_str!("init/schemas.sql"),
        first: "db/migrations/V1__schemas.sql",
        next: "V2__row_level_security.sql",
        tenant: ["tenant_id", "uuid", "app.tenant_id"],
        rows: &[
            (
                "billing.invoices",
                "00000000-0000-4000-8000-000000000001",
                2,
            ),
            ("crm.events", "00000000-0000-4000-8000-000000000002", 1),
            (
                "\"Odd Schema\".\"Weird \"\"Table\"\"\"",
                "00000000-0000-4000-8000-000000000002",
                1,
            ),
        ],
        open: &["billing.lines", "billing.totals"],
        statement: "SELECT i.number, c.name FROM billing.invoices i LEFT JOIN crm.names c ON c.name = i.number",
    },
    Case {
        name: "half",
        sql: include_str!("init/half.sql"),
        first: "migrations/20230101000000_base.sql",
        next: "_row_level_security.sql",
        tenant: ["workspace_id", "uuid", "app.workspace_id"],
        rows: &[
            ("api_keys", "00000000-0000-4000-8000-000000000002", 1),
            ("pages", "00000000-0000-4000-8000-000000000001", 1),
            ("settings", "00000000-0000-4000-8000-000000000001", 1),
        ],
        open: &[],
        statement: "SELECT title FROM docs ORDER BY title",
    },
];

fn project(case: &Case) -> Folder {
    Folder::new(&format!("init-{}", case.name))
        .with("Cargo.toml", "[package]\nname = \"theirs\"\n")
        .with(case.first, case.sql)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => pending.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

fn proposed(folder: &Path, case: &Case) -> PathBuf {
    let mut files = files(folder).into_iter();
    let file = files.find(|path| path.to_string_lossy().ends_with(case.next));
    file.unwrap_or_else(|| panic!("{}: no migration", case.name))
}

/// What a person makes of the decisions that keep a table, with every statement taken over.
fn decided(migration: &str) -> String {
    let lines = migration
        .lines()
        .map(|line| match line.strip_prefix("--   ") {
            Some(sql) if !sql.contains('…') => sql,
            _ => line,
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Code and place of what `doctor` tells of the tenant's role, certain or not.
fn doctor(folder: &Path, database: &Database, role: &str) -> Vec<(String, String, String)> {
    let arguments = [
        "doctor",
        database.admin_url(),
        "--role",
        role,
        // The version of the server is not what this is about.
        "--allow",
        "W1041",
        "--format",
        "json",
    ];
    let output = run(folder, &arguments, "");
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|it| {
            (
                text(&it["code"]),
                text(&it["place"]["name"]),
                format!("{}: {}", text(&it["verdict"]), text(&it["message"])),
            )
        })
        .collect()
}

async fn seen(url: &str, case: &Case, tenant: Option<&str>, table: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("BEGIN; SET LOCAL ROLE app_tenant")
        .execute(&mut connection)
        .await
        .unwrap();
    if let Some(tenant) = tenant {
        sqlx::query("SELECT set_config($1, $2, true)")
            .bind(case.tenant[2])
            .bind(tenant)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(count)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

async fn case(devdb: &DevDb, case: &Case) {
    let name = case.name;
    let folder = project(case);
    let before = files(&folder.0);
    let dry = run(&folder.0, &["init"], "");
    assert!(dry.status.success(), "{name}: {}", stderr(&dry));
    assert_eq!(
        files(&folder.0),
        before,
        "{name}: a dry run wrote something"
    );
    let wrote = run(&folder.0, &["init", "--write"], "");
    assert!(wrote.status.success(), "{name}: {}", stderr(&wrote));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let config = read(&folder.0.join("watertight.toml"));
    for part in case.tenant {
        assert!(config.contains(&format!("\"{part}\"")), "{name}: {config}");
    }
    let migration = read(&proposed(&folder.0, case));
    let told = stdout(&wrote);
    for open in case.open {
        let line = told.lines().find(|line| line.contains(open));
        assert!(
            line.is_some_and(|line| line.starts_with("decide")),
            "{name}: {told}"
        );
    }
    // A second run has nothing to add, and writes over nothing.
    let again = files(&folder.0)
        .iter()
        .map(|path| read(path))
        .collect::<Vec<_>>();
    assert!(run(&folder.0, &["init", "--write"], "").status.success());
    for (path, text) in files(&folder.0).iter().zip(&again) {
        assert_eq!(read(path), *text, "{name}: {}", path.display());
    }

    let proved = run(&folder.0, &["prove", "--format", "jsonl"], case.statement);
    assert!(
        stdout(&proved).contains("\"grade\":\"rls\""),
        "{name}: {}",
        stdout(&proved)
    );

    let database = devdb.database().await.unwrap();
    let apply = async |database: &Database, sql: &str| {
        let done = database.execute_as_owner(sql).await;
        done.unwrap_or_else(|error| panic!("{name}: {error:?}\n{sql}"));
    };
    apply(&database, case.sql).await;
    let fresh = devdb.copy_of(&database).await.unwrap();
    let roles = read(&folder.0.join("watertight-roles.sql"));
    apply(&database, &migration).await;
    for _ in 0..2 {
        let done = database.execute_as_admin(&roles).await;
        done.unwrap_or_else(|error| panic!("{name}: {error:?}\n{roles}"));
    }
    // What is left are the decisions.
    let left = ["W0709", "W0710", "W0711", "W0713"];
    for role in ["app_tenant", "app"] {
        for (code, place, what) in doctor(&folder.0, &database, role) {
            assert!(
                left.contains(&code.as_str()),
                "{name}: {role}: {code} {place} {what}"
            );
        }
    }
    for (table, tenant, count) in case.rows {
        let url = database.app_url();
        assert_eq!(
            seen(url, case, Some(tenant), table).await,
            *count,
            "{name}: {table}"
        );
        // An own setting that was never set is NULL or an error to a policy of theirs.
        if !table.contains("Drafts") && *table != "pages" {
            assert_eq!(seen(url, case, None, table).await, 0, "{name}: {table}");
        }
    }
    let mut alone = PgConnection::connect(database.app_url()).await.unwrap();
    let (table, ..) = case.rows[0];
    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    let refused = sqlx::query(count).execute(&mut alone).await.unwrap_err();
    assert!(
        refused.to_string().contains("permission denied"),
        "{name}: {refused}"
    );

    // With every statement of the decisions taken over, nothing is left but what sequences tell.
    let whole = decided(&migration);
    std::fs::write(proposed(&folder.0, case), &whole).unwrap();
    apply(&fresh, &whole).await;
    fresh.execute_as_admin(&roles).await.unwrap();
    for (code, place, what) in doctor(&folder.0, &fresh, "app_tenant") {
        assert_eq!(code, "W0713", "{name}: {place} {what}\n{whole}");
        assert!(what.starts_with("needs review"), "{name}: {place} {what}");
    }
    for (table, tenant, count) in case.rows {
        assert_eq!(
            seen(fresh.app_url(), case, Some(tenant), table).await,
            *count,
            "{name}: {table}"
        );
    }
    // And back.
    if let Some(down) = files(&folder.0).iter().find(|path| {
        path.to_string_lossy()
            .ends_with("row_level_security.down.sql")
    }) {
        apply(&database, &read(down)).await;
    }
}

#[tokio::test]
async fn what_is_proposed_protects() {
    let devdb = DevDb::start().await.unwrap();
    for one in CASES {
        case(&devdb, one).await;
    }
}

#[test]
fn what_can_t_be_told_is_asked() {
    let folder = Folder::new("init-unclear").with(
        "migrations/1_a.sql",
        "CREATE TABLE a (team_id uuid NOT NULL, project_id uuid NOT NULL);
         CREATE TABLE b (team_id uuid NOT NULL, project_id uuid NOT NULL);",
    );
    let output = run(&folder.0, &["init"], "");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("init_unclear", stderr(&output));
    let output = run(&folder.0, &["init", "--tenant-column", "team_id"], "");
    assert!(
        stdout(&output).contains("column team_id of type uuid"),
        "{}",
        stdout(&output)
    );
    let none = Folder::new("init-none").with("migrations/1_a.sql", "CREATE TABLE a (id uuid);");
    let output = run(&none.0, &["init"], "");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("init_none", stderr(&output));
}

#[test]
fn a_dry_run_reads_like_a_difference() {
    let folder = Folder::new("init-dry")
        .with("Cargo.toml", "[package]\nname = \"theirs\"\n")
        .with("clippy.toml", "msrv = \"1.80\"\n")
        .with("watertight-checklist.md", "ours\n")
        .with(
            "migrations/0001_init.sql",
            include_str!("init/uuid_organizations.sql"),
        );
    let output = run(&folder.0, &["init"], "");
    let text = stdout(&output);
    // The entries for clippy are many, and have tests of their own.
    let (head, tail) = text.split_once("disallowed-types").unwrap();
    let tail = tail.lines().next_back().unwrap();
    insta::assert_snapshot!("init_dry_run", format!("{head}…\n\n{tail}"));
}

/// Only clippy itself knows what its entries catch, so it is run on a crate that needs sqlx.
#[test]
fn clippy_names_what_goes_around_the_scope() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let there = std::process::Command::new(&cargo)
        .args(["clippy", "--version"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: clippy is not installed");
        return;
    }
    let source = include_str!("init/raw_pools.rs");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lock = std::fs::read_to_string(workspace.join("Cargo.lock")).unwrap();
    let folder = Folder::new("init-clippy")
        .with(
            "Cargo.toml",
            "[package]\nname = \"theirs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
             sqlx = { version = \"0.9\", default-features = false, features = [\"postgres\", \"runtime-tokio\", \"tls-rustls\", \"json\", \"uuid\", \"chrono\", \"migrate\"] }\n",
        )
        .with("Cargo.lock", &lock)
        .with("migrations/1_a.sql", "CREATE TABLE notes (org_id uuid NOT NULL);")
        .with("src/lib.rs", source);
    assert!(run(&folder.0, &["init", "--write"], "").status.success());
    // An entry that names nothing would stay silent for ever: here it is told.
    let file = folder.0.join("clippy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(", allow-invalid = true", "")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = std::process::Command::new(&cargo)
        .args(["clippy", "--offline", "--message-format", "short"])
        .current_dir(&folder.0)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let told = stderr(&output);
    assert!(output.status.success(), "{told}");
    assert!(!told.contains("does not refer to"), "{told}");
    for (number, line) in source.lines().enumerate() {
        let on_line: Vec<&str> = told
            .lines()
            .filter(|it| it.starts_with(&format!("src/lib.rs:{}:", number + 1)))
            .collect();
        match line.split_once("//~ ") {
            Some((_, path)) => assert!(
                on_line.iter().any(|it| it.contains(&format!("`{path}`"))),
                "line {}: {on_line:?}\n{told}",
                number + 1
            ),
            None => assert!(on_line.is_empty(), "{on_line:?}"),
        }
    }
}
