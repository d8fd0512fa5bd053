//! `audit retain` and `audit erase`: giving records up on purpose.
//!
//! As the owner, who is held to row-level security as well: within one transaction, and for this table
//! alone, the owner is let through. Nobody else reads or writes the table meanwhile.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use watertight_audit::{AuditKey, Floor, Head, Mac, PARTITIONS};

use super::access::{connect, key};
use super::args::{Database, EraseArgs, RetainArgs};

const TABLES: [&str; 2] = ["watertight.audit", "watertight.audit_floor"];

/// Opens a transaction in which the owner sees every trail.
async fn as_owner(database: &Database) -> Result<(PgConnection, String)> {
    let (mut connection, config) = connect(database).await?;
    let owner: Option<bool> = sqlx::query_scalar(
        "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('watertight.audit')",
    )
    .fetch_optional(&mut connection)
    .await?;
    match owner {
        Some(true) => {}
        Some(false) => bail!(
            "only the owner of the audit tables can do this; log in as the role that runs migrations"
        ),
        None => {
            bail!("the database has no audit trail; `watertight::migrate` makes it, as the owner")
        }
    }
    sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
    force(&mut connection, "NO FORCE").await?;
    Ok((connection, config.application_role))
}

async fn force(connection: &mut PgConnection, how: &str) -> Result<()> {
    for table in TABLES {
        let sql = format!("ALTER TABLE {table} {how} ROW LEVEL SECURITY");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn commit(mut connection: PgConnection) -> Result<()> {
    force(&mut connection, "FORCE").await?;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    Ok(())
}

pub(super) async fn erase(args: &EraseArgs) -> Result<ExitCode> {
    let (mut connection, _) = as_owner(&args.database).await?;
    let mut erased = 0;
    for table in TABLES {
        let sql = format!("DELETE FROM {table} WHERE tenant_id = $1");
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(&args.tenant)
            .execute(&mut connection)
            .await?;
        erased += done.rows_affected();
    }
    if !args.yes {
        println!("{erased} records would be erased; say --yes to do it");
        return Ok(ExitCode::SUCCESS);
    }
    commit(connection).await?;
    println!("{erased} records erased; the trails of other tenants have chains of their own");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn retain(args: &RetainArgs) -> Result<ExitCode> {
    let (mut connection, application_role) = as_owner(&args.database).await?;
    let row = sqlx::query(
        "SELECT to_char(t, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), (extract(epoch FROM t) * 1000000)::bigint, \
                to_char(t, '\"audit_\"YYYY_MM') \
         FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1) AS t) AS months",
    )
    .bind(i32::from(args.keep_months))
    .fetch_one(&mut connection)
    .await?;
    let (before, micros): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    let first_kept: String = row.try_get(2)?;
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM watertight.audit WHERE recorded_at < $1::timestamptz",
    )
    .bind(&before)
    .fetch_one(&mut connection)
    .await?;
    if !args.yes {
        println!("{count} records from before {before} would be given up; say --yes to do it");
        return Ok(ExitCode::SUCCESS);
    }
    if count > 0 {
        note(&mut connection, args, &before, micros).await?;
    }
    let mut dropped = 0;
    // Their names sort as their months do.
    let partitions: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'watertight.audit'::regclass AND c.relname ~ '^audit_[0-9]{4}_[0-9]{2}$' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await?;
    for partition in partitions.iter().filter(|name| **name < first_kept) {
        let sql = format!("DROP TABLE watertight.{partition}");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await?;
        dropped += 1;
    }
    sqlx::query("DELETE FROM watertight.audit WHERE recorded_at < $1::timestamptz")
        .bind(&before)
        .execute(&mut connection)
        .await?;
    let role = format!("\"{}\"", application_role.replace('"', "\"\""));
    sqlx::raw_sql(AssertSqlSafe(
        PARTITIONS.replace("{application_role}", &role),
    ))
    .execute(&mut connection)
    .await
    .context("the partitions of the coming months can't be made")?;
    commit(connection).await?;
    println!("{count} records from before {before} given up, {dropped} partitions dropped");
    Ok(ExitCode::SUCCESS)
}

/// Notes under the key what is given up of each chain.
async fn note(
    connection: &mut PgConnection,
    args: &RetainArgs,
    before: &str,
    micros: i64,
) -> Result<()> {
    let key = key(args.key_file.as_deref())?;
    let rows = sqlx::query(
        "SELECT DISTINCT ON (tenant_id, writer) tenant_id, coalesce(writer, '') AS writer, coalesce(seq, 0) AS seq, mac \
         FROM watertight.audit WHERE recorded_at < $1::timestamptz \
         ORDER BY tenant_id, writer, seq DESC NULLS LAST",
    )
    .bind(before)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let mac: Option<Vec<u8>> = row.try_get("mac")?;
        let writer: String = row.try_get("writer")?;
        // An effect has a MAC of its own, and belongs to no chain.
        let mac = mac.filter(|_| !writer.is_empty());
        let floor = Floor {
            head: Head {
                tenant: row.try_get("tenant_id")?,
                seq: row.try_get("seq")?,
                mac: mac
                    .and_then(|mac| Mac::from_bytes(&mac))
                    .unwrap_or(Mac::NONE),
                writer,
            },
            before: micros,
        };
        store(connection, &key, &floor, before).await?;
    }
    Ok(())
}

async fn store(
    connection: &mut PgConnection,
    key: &AuditKey,
    floor: &Floor,
    before: &str,
) -> Result<()> {
    let proof = floor.proof(&key.tenant(&floor.head.tenant));
    sqlx::query(
        "INSERT INTO watertight.audit_floor (tenant_id, writer, seq, mac, before, proof) \
         VALUES ($1, $2, $3, $4, $5::timestamptz, $6) \
         ON CONFLICT (tenant_id, writer) DO UPDATE \
         SET seq = excluded.seq, mac = excluded.mac, before = excluded.before, proof = excluded.proof",
    )
    .bind(&floor.head.tenant)
    .bind(&floor.head.writer)
    .bind(floor.head.seq)
    .bind(floor.head.mac.as_bytes().as_slice())
    .bind(before)
    .bind(proof.as_bytes().as_slice())
    .execute(connection)
    .await?;
    Ok(())
}
