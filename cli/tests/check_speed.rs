//! How long `check` takes on a workspace of 500 files. Run it where nothing else runs:
//! `cargo test --release -p cargo-watertight --test check_speed -- --ignored --nocapture`

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::{Folder, run, stdout};

/// Files of the workspace, and tools in each.
const FILES: usize = 500;
const TOOLS: usize = 4;

const MANIFEST: &str = r#"
[package]
name = "large"
version = "0.1.0"
edition = "2024"

[dependencies]
rmcp = "3"
sqlx = "0.9"

[workspace]
"#;

/// A module with statements of its own: none is the same as another.
fn module(number: usize) -> String {
    let mut text = String::from(
        "use rmcp::handler::server::wrapper::Parameters;\nuse sqlx::PgPool;\n\nuse crate::error::Failure;\n",
    );
    for tool in 0..TOOLS {
        let name = format!("{number}_{tool}");
        writeln!(
            text,
            r#"
/// What to look for.
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Search{number}x{tool} {{
    pub words: String,
    pub limit: Option<i64>,
    pub newest_first: bool,
}}

/// Rows of table {number}.
pub async fn rows_{name}(pool: &PgPool, tenant_id: uuid::Uuid, words: &str) -> Result<Vec<String>, Failure> {{
    let rows = sqlx::query_scalar(
        "SELECT t.title AS title_{name} FROM table_{number} t JOIN labels l ON l.tenant_id = t.tenant_id AND l.row = t.id
          WHERE t.tenant_id = $1 AND t.title = $2 AND l.name <> 'hidden' ORDER BY t.title LIMIT 50",
    );
    let mut found: Vec<String> = rows.bind(tenant_id).bind(words).fetch_all(pool).await?;
    if found.is_empty() {{
        tracing::debug!(%tenant_id, "nothing in table {number}");
    }}
    found.retain(|title| title.len() > {tool});
    Ok(found)
}}

impl crate::Server {{
    /// Search table {number}.
    #[rmcp::tool]
    async fn search_{name}(&self, Parameters(args): Parameters<Search{number}x{tool}>) -> Result<String, Failure> {{
        let limit = usize::try_from(args.limit.unwrap_or(20)).unwrap_or(20);
        let mut rows = rows_{name}(&self.pool, self.tenant, &args.words).await?;
        if args.newest_first {{
            rows.reverse();
        }}
        Ok(rows.into_iter().take(limit).collect::<Vec<_>>().join(", "))
    }}
}}"#
        )
        .unwrap();
    }
    text
}

#[test]
#[ignore = "measures; run it alone, in release"]
fn five_hundred_files_take_less_than_two_seconds() {
    let mut folder = Folder::new("speed")
        .with("Cargo.toml", MANIFEST)
        .with("src/error.rs", "#[derive(Debug)]\npub struct Failure;\n");
    let mut main = String::from(
        "mod error;\npub struct Server { pool: sqlx::PgPool, tenant: uuid::Uuid }\nfn main() {}\n",
    );
    let mut tables = String::from(
        "CREATE TABLE labels (tenant_id uuid NOT NULL, row uuid NOT NULL, name text NOT NULL);\n",
    );
    for number in 0..FILES - 2 {
        writeln!(main, "mod part_{number};").unwrap();
        writeln!(
            tables,
            "CREATE TABLE table_{number} (tenant_id uuid NOT NULL, id uuid NOT NULL, title text NOT NULL, PRIMARY KEY (tenant_id, id));"
        )
        .unwrap();
        folder = folder.with(&format!("src/part_{number}.rs"), &module(number));
    }
    let folder = folder
        .with("src/main.rs", &main)
        .with("migrations/0001_tables.sql", &tables);
    let measure = || {
        let start = Instant::now();
        let output = run(&folder.0, &["check"], "");
        (start.elapsed(), stdout(&output))
    };
    // The first run warms the file cache.
    let (_, first) = measure();
    assert!(first.contains("500 files"), "{first}");
    let statements = (FILES - 2) * TOOLS;
    let mut times: Vec<Duration> = (0..5).map(|_| measure().0).collect();
    times.sort();
    println!(
        "check of {FILES} files with {statements} statements: median {:?}, of {times:?}",
        times[2]
    );
    assert!(times[2] < Duration::from_secs(2), "{times:?}");
}
