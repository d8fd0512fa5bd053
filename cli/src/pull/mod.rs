//! `cargo watertight catalog pull`: the catalog of a live database as one committed SQL file.
//!
//! Read only: one repeatable-read transaction with an empty search path. The file is deterministic,
//! so that a difference is a difference of the database. The password of the URL is never shown.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use watertight_analysis::snapshot::{
    AFTER_VIEWS, BEFORE_VIEWS, PREPARE, Section, Snapshot, VIEWS, View,
};

use crate::args::PullArgs;
use crate::{address, project};

/// The exit status of `--check` when the database differs.
const DIFFERS: u8 = 1;
/// How many lines of a difference are shown.
const SHOWN: usize = 60;

pub(crate) fn run(args: &PullArgs) -> Result<ExitCode> {
    let (config, base) = project::config(args.config.as_deref())?;
    let file = args.output.clone().unwrap_or_else(|| {
        base.join(
            config
                .snapshot
                .as_deref()
                .unwrap_or("watertight.catalog.sql"),
        )
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime can't be started")?;
    let text = runtime.block_on(pull(&args.database_url, &config.application_role))?;
    if args.check {
        return check(&file, &text);
    }
    std::fs::write(&file, &text)
        .with_context(|| format!("`{}` can't be written", file.display()))?;
    println!("wrote {}", file.display());
    if config.snapshot.is_none() {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!(
            "to use it, put this into watertight.toml instead of `migrations`:\n\n    snapshot = \"{name}\""
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the database with the committed snapshot. The version of the server may differ.
fn check(file: &Path, text: &str) -> Result<ExitCode> {
    let old = std::fs::read_to_string(file).with_context(|| {
        format!(
            "`{}` can't be read; write it with `cargo watertight catalog pull`",
            file.display()
        )
    })?;
    let (old, new) = (statements(&old), statements(text));
    if old == new {
        println!("{} is what the database is", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    let (before, after): (HashSet<&str>, HashSet<&str>) =
        (old.iter().copied().collect(), new.iter().copied().collect());
    let mut lines = Vec::new();
    for gone in old.iter().filter(|statement| !after.contains(**statement)) {
        lines.extend(gone.lines().map(|line| format!("- {line}")));
    }
    for added in new.iter().filter(|statement| !before.contains(**statement)) {
        lines.extend(added.lines().map(|line| format!("+ {line}")));
    }
    eprintln!(
        "the database differs from {}: `-` is in the file, `+` in the database\n",
        file.display()
    );
    for line in lines.iter().take(SHOWN) {
        eprintln!("{line}");
    }
    if lines.len() > SHOWN {
        eprintln!("… and {} more lines", lines.len() - SHOWN);
    }
    eprintln!(
        "\nhelp: bring the database up to date, or write the file again with `cargo watertight catalog pull`"
    );
    Ok(ExitCode::from(DIFFERS))
}

/// The statements of a snapshot, without the header.
fn statements(text: &str) -> Vec<&str> {
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    body.split(";\n\n")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

async fn pull(url: &str, role: &str) -> Result<String> {
    let (mut connection, place) = address::connect(url).await?;
    let text = read(&mut connection, role)
        .await
        .with_context(|| format!("the database at {place} can't be read"))?;
    connection.close().await.ok();
    Ok(text)
}

/// Opens the read-only transaction in which everything is read.
pub(crate) async fn begin(connection: &mut PgConnection) -> Result<()> {
    for statement in PREPARE {
        sqlx::raw_sql(*statement).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Reads everything in one snapshot of the database.
async fn read(connection: &mut PgConnection, role: &str) -> Result<String> {
    begin(connection).await?;
    let known: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)")
            .bind(role)
            .fetch_one(&mut *connection)
            .await?;
    if !known {
        bail!(
            "the server has no role `{role}`, so which policies are the application's can't be told; write \
             the role that it connects as into `watertight.toml`: `application-role = \"…\"`"
        );
    }
    let text = snapshot(connection, role).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
    Ok(text)
}

/// The database as one text, within the transaction that `begin` opened.
pub(crate) async fn snapshot(connection: &mut PgConnection, role: &str) -> Result<String> {
    let version: String = sqlx::query_scalar("SELECT pg_catalog.current_setting('server_version')")
        .fetch_one(&mut *connection)
        .await?;
    let mut snapshot = Snapshot::new(&version);
    for section in BEFORE_VIEWS {
        read_section(connection, section, role, &mut snapshot).await?;
    }
    read_views(connection, &mut snapshot).await?;
    for section in AFTER_VIEWS {
        read_section(connection, section, role, &mut snapshot).await?;
    }
    Ok(snapshot.into_text())
}

async fn read_section(
    connection: &mut PgConnection,
    section: &Section,
    role: &str,
    snapshot: &mut Snapshot,
) -> Result<()> {
    let mut query = sqlx::query_scalar::<_, Option<String>>(section.query);
    if section.asks_role() {
        query = query.bind(role);
    }
    let statements = query
        .fetch_all(&mut *connection)
        .await
        .with_context(|| format!("reading {}", section.title))?;
    let Some(statements) = statements.into_iter().collect::<Option<Vec<_>>>() else {
        bail!(
            "{}: the server gave no definition for one of them",
            section.title
        );
    };
    snapshot.section(section, &statements);
    Ok(())
}

async fn read_views(connection: &mut PgConnection, snapshot: &mut Snapshot) -> Result<()> {
    let rows = sqlx::query(VIEWS)
        .fetch_all(&mut *connection)
        .await
        .context("reading views")?;
    let mut views = Vec::with_capacity(rows.len());
    for row in &rows {
        views.push(View {
            id: row.try_get("id")?,
            statement: row.try_get("statement")?,
            reads: row.try_get("reads")?,
        });
    }
    snapshot.views(views);
    Ok(())
}
