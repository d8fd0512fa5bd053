//! `audit verify`: each chain of each trail, then the writes of each call.
//!
//! Two passes over a tenant's rows, in the order that each needs, so that memory does not grow with
//! the trail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use watertight_audit::{
    AuditKey, CallVerifier, ChainVerifier, Completion, Effect, Finding, Floor, Head, Mac,
    StoredCompletion, StoredEffect, TenantKey,
};

use super::access::{Reader, key};
use super::args::{VerifyArgs, VerifyFormat};

/// The exit status when something is not as it was written.
const TAMPERED: u8 = 1;
/// Findings of a tenant that are printed; all are counted.
const SHOWN: usize = 100;

/// What one trail is.
#[derive(Debug, Default)]
struct Verdict {
    tenant: String,
    chains: u64,
    calls: u64,
    writes: u64,
    /// Writes without a record of their call.
    unsealed: u64,
    /// Chains without MACs, and how many records they have.
    unkeyed: BTreeMap<String, u64>,
    findings: Vec<Finding>,
}

impl Verdict {
    fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.unkeyed.is_empty()
    }
}

pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let key = key(args.key_file.as_deref())?;
    let published = heads(&args.anchor)?;
    let mut reader = Reader::open(&args.database).await?;
    let tenants = tenants(&mut reader, args, &published).await?;
    let mut verdicts = Vec::new();
    for tenant in tenants {
        let published: Vec<&Head> = published.iter().filter(|it| it.tenant == tenant).collect();
        verdicts.push(trail(&mut reader, &key, &tenant, &published).await?);
    }
    let anchored = !args.anchor.is_empty();
    match args.format {
        VerifyFormat::Text => print(&verdicts, anchored),
        VerifyFormat::Json => println!("{:#}", document(&verdicts, anchored)),
    }
    Ok(match verdicts.iter().all(Verdict::is_clean) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(TAMPERED),
    })
}

/// Published heads. Several of one chain are all looked for.
fn heads(files: &[PathBuf]) -> Result<Vec<Head>> {
    let mut heads = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`{}` can't be read", file.display()))?;
        for (index, line) in text.lines().enumerate() {
            let head = read_head(line, file, index + 1)?;
            heads.push(head);
        }
    }
    Ok(heads)
}

fn read_head(line: &str, file: &Path, number: usize) -> Result<Head> {
    serde_json::from_str(line)
        .with_context(|| format!("{}:{number} is not a head of a chain", file.display()))
}

/// Whose trails are verified: the named ones, or all that the table or the anchor knows.
async fn tenants(
    reader: &mut Reader,
    args: &VerifyArgs,
    published: &[Head],
) -> Result<BTreeSet<String>> {
    if !args.tenant.is_empty() {
        return Ok(args.tenant.iter().cloned().collect());
    }
    if !reader.reads_all {
        bail!(
            "this role reads one tenant's trail at a time: name it with --tenant, or log in as a role with BYPASSRLS"
        );
    }
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT tenant_id FROM watertight.audit UNION SELECT tenant_id FROM watertight.audit_floor",
    )
    .fetch_all(&mut reader.connection)
    .await?;
    let published = published.iter().map(|head| head.tenant.clone());
    Ok(stored.into_iter().chain(published).collect())
}

async fn trail(
    reader: &mut Reader,
    key: &AuditKey,
    tenant: &str,
    published: &[&Head],
) -> Result<Verdict> {
    reader.enter(tenant).await?;
    let key = key.tenant(tenant);
    let mut verdict = Verdict {
        tenant: tenant.to_owned(),
        ..Verdict::default()
    };
    let floors = floors(reader, &key, &mut verdict).await?;
    chains(reader, &key, published, &floors, &mut verdict).await?;
    let before = floors.iter().map(|floor| floor.before).max();
    calls(reader, key, before.unwrap_or(i64::MIN), &mut verdict).await?;
    Ok(verdict)
}

/// What was given up on purpose, as far as the key shows it.
async fn floors(reader: &mut Reader, key: &TenantKey, verdict: &mut Verdict) -> Result<Vec<Floor>> {
    let rows = sqlx::query(
        "SELECT writer, seq, mac, proof, \
                (extract(epoch FROM before) * 1000000)::bigint AS before \
         FROM watertight.audit_floor WHERE tenant_id = $1 ORDER BY writer",
    )
    .bind(&verdict.tenant)
    .fetch_all(&mut reader.connection)
    .await?;
    let mut floors = Vec::new();
    for row in rows {
        let floor = Floor {
            head: Head {
                tenant: verdict.tenant.clone(),
                writer: row.try_get("writer")?,
                seq: row.try_get("seq")?,
                mac: mac(&row, "mac")?.unwrap_or(Mac::NONE),
            },
            before: row.try_get("before")?,
        };
        // One that no holder of the key made counts for nothing, and the gap is reported.
        if mac(&row, "proof")?.is_some_and(|proof| proof.matches(&floor.proof(key))) {
            floors.push(floor);
        }
    }
    Ok(floors)
}

async fn chains(
    reader: &mut Reader,
    key: &TenantKey,
    published: &[&Head],
    floors: &[Floor],
    verdict: &mut Verdict,
) -> Result<()> {
    let begin = |writer: &str| {
        let heads = published.iter().filter(|head| head.writer == writer);
        // A head below what was given up can't be looked at any more.
        let floor = floors.iter().find(|floor| floor.head.writer == writer);
        let heads = heads.filter(|head| floor.is_none_or(|floor| head.seq > floor.head.seq));
        let heads = heads.map(|head| (*head).clone()).collect();
        let chain = ChainVerifier::new(key.clone(), writer, heads);
        match floor {
            Some(floor) => chain.after(&floor.head),
            None => chain,
        }
    };
    let mut seen = BTreeSet::new();
    let mut current: Option<(String, ChainVerifier)> = None;
    let mut rows = sqlx::query(
        "SELECT id, coalesce(writer, '') AS writer, coalesce(seq, 0) AS seq, mac, reference, \
                (extract(epoch FROM at) * 1000000)::bigint AS at, \
                (extract(epoch FROM recorded_at) * 1000000)::bigint AS recorded_at, \
                tool, issuer, subject, home_tenant, client, arguments::text AS arguments, outcome, error, rows, \
                duration_us, protocol, probe, coalesce(effects, 0) AS effects, coalesce(uncertain, 0) AS uncertain \
         FROM watertight.audit WHERE tenant_id = $1 AND kind = 'completion' ORDER BY 2, 3, 1",
    )
    .bind(&verdict.tenant)
    .fetch(&mut reader.connection);
    let mut finished = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let writer: String = row.try_get("writer")?;
        let stored = completion(&row)?;
        if stored.mac.is_none() {
            *verdict.unkeyed.entry(writer).or_default() += 1;
            continue;
        }
        if current.as_ref().is_none_or(|(name, _)| *name != writer) {
            finished.extend(current.take());
            seen.insert(writer.clone());
            current = Some((writer.clone(), begin(&writer)));
        }
        if let Some((_, chain)) = &mut current {
            chain.push(stored);
        }
        for (_, chain) in finished.drain(..) {
            add(verdict, chain);
        }
    }
    drop(rows);
    if let Some((_, chain)) = current {
        add(verdict, chain);
    }
    // Chains of which nothing is left.
    let gone: BTreeSet<&str> = published.iter().map(|head| head.writer.as_str()).collect();
    for writer in gone.into_iter().filter(|writer| !seen.contains(*writer)) {
        add(verdict, begin(writer));
    }
    Ok(())
}

fn add(verdict: &mut Verdict, chain: ChainVerifier) {
    let (verified, findings) = chain.finish();
    verdict.chains += 1;
    verdict.calls += verified;
    verdict.findings.extend(findings);
}

/// The writes of each call. Of calls that began before `before` some may have been given up.
async fn calls(
    reader: &mut Reader,
    key: TenantKey,
    before: i64,
    verdict: &mut Verdict,
) -> Result<()> {
    let mut calls = CallVerifier::new(key);
    let mut rows = sqlx::query(
        "SELECT id, kind, reference, (extract(epoch FROM at) * 1000000)::bigint AS at, tool, issuer, subject, \
                home_tenant, coalesce(ordinal, 0) AS ordinal, mac, coalesce(effects, 0) AS effects, \
                coalesce(uncertain, 0) AS uncertain \
         FROM watertight.audit WHERE tenant_id = $1 \
           AND (kind = 'effect' OR effects > 0 OR uncertain > 0 OR reference IN \
                (SELECT reference FROM watertight.audit WHERE tenant_id = $1 AND kind = 'effect')) \
         ORDER BY reference, id",
    )
    .bind(&verdict.tenant)
    .fetch(&mut reader.connection);
    let (mut reference, mut effects, mut said) = (String::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.try_next().await? {
        let own: String = row.try_get("reference")?;
        if own != reference {
            calls.push(&reference, &effects, &said);
            (reference, effects, said) = (own, Vec::new(), Vec::new());
        }
        if row.try_get::<&str, _>("kind")? == "effect" {
            effects.push(effect(&row)?);
            continue;
        }
        let (certain, uncertain): (i32, i32) = (row.try_get("effects")?, row.try_get("uncertain")?);
        said.push(match row.try_get::<i64, _>("at")? < before {
            true => (0, certain.saturating_add(uncertain)),
            false => (certain, uncertain),
        });
    }
    calls.push(&reference, &effects, &said);
    let findings;
    (verdict.writes, verdict.unsealed, findings) = calls.finish();
    verdict.findings.extend(findings);
    Ok(())
}

fn completion(row: &PgRow) -> Result<StoredCompletion> {
    Ok(StoredCompletion {
        id: row.try_get("id")?,
        seq: row.try_get("seq")?,
        mac: mac(row, "mac")?,
        record: Completion {
            reference: row.try_get("reference")?,
            at: row.try_get("at")?,
            recorded_at: row.try_get("recorded_at")?,
            tool: row.try_get("tool")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            home_tenant: row.try_get("home_tenant")?,
            client: row.try_get("client")?,
            arguments: row.try_get("arguments")?,
            outcome: row.try_get("outcome")?,
            error: row.try_get("error")?,
            rows: row.try_get("rows")?,
            duration_us: row.try_get("duration_us")?,
            protocol: row.try_get("protocol")?,
            probe: row.try_get("probe")?,
            effects: row.try_get("effects")?,
            uncertain: row.try_get("uncertain")?,
        },
    })
}

fn effect(row: &PgRow) -> Result<StoredEffect> {
    Ok(StoredEffect {
        id: row.try_get("id")?,
        mac: mac(row, "mac")?,
        record: Effect {
            reference: row.try_get("reference")?,
            ordinal: row.try_get("ordinal")?,
            at: row.try_get("at")?,
            tool: row.try_get("tool")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            home_tenant: row.try_get("home_tenant")?,
        },
    })
}

fn mac(row: &PgRow, column: &str) -> Result<Option<Mac>> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    Ok(bytes.and_then(|bytes| Mac::from_bytes(&bytes)))
}

fn number(of: u64, what: &str) -> String {
    match of {
        1 => format!("1 {what}"),
        _ => format!("{of} {what}s"),
    }
}

fn unkeyed(writer: &str, records: u64) -> String {
    format!(
        "without a MAC: {} of writer {writer}; written by a server without a key, or inserted",
        number(records, "record")
    )
}

fn print(verdicts: &[Verdict], anchored: bool) {
    if verdicts.is_empty() {
        println!("no trail");
    }
    for verdict in verdicts {
        println!(
            "{} tenant {}: {} in {}, and {}, as they were written",
            match verdict.is_clean() {
                true => "ok      ",
                false => "TAMPERED",
            },
            verdict.tenant,
            number(verdict.calls, "call"),
            number(verdict.chains, "chain"),
            number(verdict.writes, "write"),
        );
        for (writer, records) in &verdict.unkeyed {
            println!("  {}", unkeyed(writer, *records));
        }
        for finding in verdict.findings.iter().take(SHOWN) {
            println!("  {finding}");
        }
        if let Some(more @ 1..) = verdict.findings.len().checked_sub(SHOWN) {
            println!("  … and {more} more");
        }
        if verdict.unsealed > 0 {
            println!(
                "  note: {} without a record of the call: it is still under way, or its process ended first",
                number(verdict.unsealed, "write")
            );
        }
    }
    if !anchored {
        println!(
            "note: without --anchor nothing can tell whether the newest records of a chain were cut off"
        );
    }
}

fn document(verdicts: &[Verdict], anchored: bool) -> serde_json::Value {
    let tenants = verdicts.iter().map(|verdict| {
        let unkeyed = verdict.unkeyed.iter().map(|(w, n)| unkeyed(w, *n));
        let findings = verdict
            .findings
            .iter()
            .map(Finding::to_string)
            .chain(unkeyed);
        json!({
            "tenant": verdict.tenant,
            "clean": verdict.is_clean(),
            "chains": verdict.chains,
            "calls": verdict.calls,
            "writes": verdict.writes,
            "writes_without_call": verdict.unsealed,
            "findings": findings.collect::<Vec<_>>(),
        })
    });
    json!({ "anchored": anchored, "tenants": tenants.collect::<Vec<_>>() })
}
