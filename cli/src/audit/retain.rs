//! `audit retain`: giving up the months that are old enough.
//!
//! As the owner, who is held to row-level security as well: within one transaction the owner is let
//! through to the months that go, which no server writes any more. The table itself is locked for the
//! moment at the end in which they are taken off.
//!
//! Invariant: the key signs only what was verified in the same transaction. What goes of a chain is
//! its beginning, up to a record whose MAC is right; what stays of it is newer in every way.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Result, bail};
use sqlx::{AssertSqlSafe, Row as _};
use watertight_audit::{Finding, Floor, Head, KeyRing, Mac, PARTITIONS, Shown};

use super::access::{Reader, explained};
use super::args::RetainArgs;
use super::keys::keys_if_any;
use super::trail::{self, Verdict};
use super::verify::{TAMPERED, print};

/// What is read of a month that goes.
const COLUMNS: &str = "id, tenant_id, kind, reference, at, recorded_at, tool, issuer, subject, home_tenant, client, \
                       agent, arguments, outcome, error, rows, duration_us, protocol, probe, effects, ordinals, \
                       uncertain, writer, seq, ordinal, mac";

/// Up to when records go.
struct Boundary {
    /// As a literal's text.
    text: String,
    micros: i64,
    /// The name of the first month that stays.
    first_kept: String,
}

/// A partition with records that may go.
struct Part {
    /// Quoted.
    name: String,
    /// Nothing in it stays.
    whole: bool,
}

pub(super) async fn run(args: &RetainArgs) -> Result<ExitCode> {
    let (mut reader, application_role) = Reader::owner(&args.database, "READ COMMITTED").await?;
    let boundary = boundary(&mut reader, args.keep_months).await?;
    let parts = parts(&mut reader, &boundary).await?;
    let source = source(&parts, &boundary);
    let sql = format!("SELECT count(*), coalesce(bool_or(mac IS NOT NULL), false) FROM {source}");
    let (count, keyed): (i64, bool) = sqlx::query_as(AssertSqlSafe(sql))
        .fetch_one(&mut reader.connection)
        .await?;
    let Boundary { text: before, .. } = &boundary;
    let keys = keys_if_any(&args.key_file)?;
    if keyed && keys.is_none() {
        bail!(
            "the records that would go are under a key: set AUDIT_KEY, or name a file with --key-file, so that they can \
             be verified and `audit verify` goes on from there"
        );
    }
    let verdicts = match &keys {
        Some(keys) => verify(&mut reader, &source, keys, &boundary).await?,
        None => Vec::new(),
    };
    if !may_go(args, &verdicts) {
        return Ok(ExitCode::from(TAMPERED));
    }
    if !args.yes {
        println!("{count} records from before {before} would be given up; say --yes to do it");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(keys) = &keys {
        for verdict in &verdicts {
            note(&mut reader, keys, verdict, &boundary).await?;
        }
    }
    for part in &parts {
        reader.run(part.end(&boundary)).await?;
    }
    let role = format!("\"{}\"", application_role.replace('"', "\"\""));
    reader
        .run(PARTITIONS.replace("{application_role}", &role))
        .await?;
    reader.run("COMMIT".to_owned()).await?;
    let dropped = parts.iter().filter(|part| part.whole).count();
    println!("{count} records from before {before} given up, {dropped} partitions dropped");
    Ok(ExitCode::SUCCESS)
}

async fn boundary(reader: &mut Reader, keep_months: u16) -> Result<Boundary> {
    let row = sqlx::query(
        "SELECT to_char(t, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), (extract(epoch FROM t) * 1000000)::bigint, \
                to_char(t, '\"audit_\"YYYY_MM') \
         FROM (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') - make_interval(months => $1) AS t) AS months",
    )
    .bind(i32::from(keep_months))
    .fetch_one(&mut reader.connection)
    .await?;
    Ok(Boundary {
        text: row.try_get(0)?,
        micros: row.try_get(1)?,
        first_kept: row.try_get(2)?,
    })
}

/// The months that go, and partitions that are no months, with the owner let through to them.
async fn parts(reader: &mut Reader, boundary: &Boundary) -> Result<Vec<Part>> {
    // The names of months sort as the months do.
    let names: Vec<(String, bool)> = sqlx::query_as(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relname ~ '^audit_[0-9]{4}_[0-9]{2}$' \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.inhparent = 'watertight.audit'::regclass \
           AND (c.relname !~ '^audit_[0-9]{4}_[0-9]{2}$' OR c.relname < $1) ORDER BY 1",
    )
    .bind(&boundary.first_kept)
    .fetch_all(&mut reader.connection)
    .await?;
    let mut parts = Vec::new();
    for (name, month) in names {
        reader
            .run(format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY"))
            .await?;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {name} WHERE recorded_at >= '{}'::timestamptz)",
            boundary.text
        );
        let keeps: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut reader.connection)
            .await?;
        let whole = month && !keeps;
        parts.push(Part { name, whole });
    }
    Ok(parts)
}

impl Part {
    /// The end of what goes in it.
    fn end(&self, boundary: &Boundary) -> String {
        let name = &self.name;
        match self.whole {
            true => format!("DROP TABLE {name}"),
            false => format!(
                "DELETE FROM {name} WHERE recorded_at < '{}'::timestamptz; \
                 ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
                boundary.text
            ),
        }
    }
}

/// All records that go, in brackets. There is always the partition for whatever finds no month.
fn source(parts: &[Part], boundary: &Boundary) -> String {
    let part = |part: &Part| {
        format!(
            "SELECT {COLUMNS} FROM {} WHERE recorded_at < '{}'::timestamptz",
            part.name, boundary.text
        )
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    match parts.is_empty() {
        true => format!("(SELECT {COLUMNS} FROM watertight.audit WHERE false) AS gone"),
        false => format!("({}) AS gone", parts.join(" UNION ALL ")),
    }
}

/// What goes of each tenant's trail, from what was given up before on.
async fn verify(
    reader: &mut Reader,
    source: &str,
    keys: &KeyRing,
    boundary: &Boundary,
) -> Result<Vec<Verdict>> {
    let sql = format!("SELECT DISTINCT tenant_id FROM {source}");
    let tenants: BTreeSet<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(&mut reader.connection)
        .await?
        .into_iter()
        .collect();
    let mut verdicts = Vec::new();
    for tenant in tenants {
        let mut verdict = trail::verify(reader, source, keys, &tenant, &[]).await?;
        let kept = kept_below(reader, &verdict, boundary).await?;
        verdict.findings.extend(kept);
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// Records that would stay, with numbers of those that would go.
async fn kept_below(
    reader: &mut Reader,
    verdict: &Verdict,
    boundary: &Boundary,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for newest in verdict.newest.iter().filter(|it| it.has_records) {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT id, reference, seq FROM watertight.audit WHERE tenant_id = $1 AND writer = $2 AND seq <= $3 \
               AND kind = 'completion' AND recorded_at >= $4::timestamptz ORDER BY seq, id LIMIT 100",
        )
        .bind(&verdict.tenant)
        .bind(&newest.writer)
        .bind(newest.seq)
        .bind(&boundary.text)
        .fetch_all(&mut reader.connection)
        .await
        .map_err(explained)?;
        findings.extend(rows.into_iter().map(|(id, reference, now)| Finding::Moved {
            id,
            reference,
            now,
            was: None,
        }));
    }
    Ok(findings)
}

/// Whether all that is wrong was accepted; says what is wrong.
fn may_go(args: &RetainArgs, verdicts: &[Verdict]) -> bool {
    let mut refused = BTreeSet::new();
    for verdict in verdicts {
        let unkeyed = !verdict.unkeyed.is_empty() && !args.accept_unkeyed;
        if !unkeyed && verdict.findings.is_empty() && verdict.unknown.is_empty() {
            continue;
        }
        print(verdict);
        if !args.despite_findings.contains(&verdict.tenant) {
            refused.insert(&verdict.tenant);
        }
    }
    for tenant in &refused {
        println!(
            "tenant {}: keep what shows it (`audit export`, a copy of the table), and say --despite-findings with this \
             tenant then; records without a MAC from before there was a key go with --accept-unkeyed",
            Shown(tenant)
        );
    }
    if !refused.is_empty() {
        println!("nothing was given up");
    }
    refused.is_empty()
}

/// Notes under the key what is given up of each chain, and when of the tenant's trail: the effects of
/// calls that began before may be gone.
async fn note(
    reader: &mut Reader,
    keys: &KeyRing,
    verdict: &Verdict,
    boundary: &Boundary,
) -> Result<()> {
    // Whatever key a chain was under, from now on the one in use answers for what went.
    let key = keys.current().tenant(&verdict.tenant);
    reader.enter(&verdict.tenant).await?;
    let none = (String::new(), 0, Mac::NONE);
    let chains = verdict.newest.iter().filter(|it| it.has_records);
    let chains = chains.map(|it| (it.writer.clone(), it.seq, it.mac));
    for (writer, seq, mac) in chains.chain([none]) {
        let floor = Floor {
            head: Head {
                tenant: verdict.tenant.clone(),
                writer,
                seq,
                mac,
                recorded_at: None,
            },
            before: boundary.micros,
        };
        store(reader, &floor, floor.proof(&key)).await?;
    }
    Ok(())
}

/// Keeps a floor in place of the one before it.
pub(super) async fn store(reader: &mut Reader, floor: &Floor, proof: Mac) -> Result<()> {
    sqlx::query(
        "INSERT INTO watertight.audit_floor (tenant_id, writer, seq, mac, before, proof) \
         VALUES ($1, $2, $3, $4, timestamptz 'epoch' + $5 * interval '1 microsecond', $6) \
         ON CONFLICT (tenant_id, writer) DO UPDATE \
         SET seq = excluded.seq, mac = excluded.mac, before = excluded.before, proof = excluded.proof",
    )
    .bind(&floor.head.tenant)
    .bind(&floor.head.writer)
    .bind(floor.head.seq)
    .bind(floor.head.mac.as_bytes().as_slice())
    .bind(floor.before)
    .bind(proof.as_bytes().as_slice())
    .execute(&mut reader.connection)
    .await
    .map_err(explained)?;
    Ok(())
}
