//! One tenant's trail against its keys: each chain, then the writes of each call.
//!
//! Two passes over a tenant's rows, in the order that each needs, so that memory does not grow with
//! the trail.
//!
//! Invariant: nothing that a row holds makes reading fail; a time that no record can have becomes
//! one that no MAC was made for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};
use watertight_audit::{
    CallVerifier, Calls, Completion, Effect, Finding, Floor, Head, KeyId, KeyRing, Mac, Said,
    StoredCompletion, StoredEffect, TenantRing,
};

use super::access::Reader;
use super::following::Following;

/// Where all records are.
pub(super) const TABLE: &str = "watertight.audit";

/// What one trail is.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) tenant: String,
    pub(super) chains: u64,
    pub(super) calls: u64,
    pub(super) writes: u64,
    /// Writes without a record of their call.
    pub(super) unsealed: u64,
    /// Chains without MACs, and how many records they have; under no name the effects of writes.
    pub(super) unkeyed: BTreeMap<String, u64>,
    /// Records under keys that are not among those given; under no name those of writes.
    pub(super) unknown: BTreeMap<Option<KeyId>, u64>,
    pub(super) findings: Vec<Finding>,
    /// When the tenant's trail was erased, in microseconds since 1970.
    pub(super) erased: Option<i64>,
    /// Up to where each chain is good.
    pub(super) newest: Vec<End>,
}

/// The last record of a chain that is good where it stands.
#[derive(Debug)]
pub(super) struct End {
    pub(super) writer: String,
    pub(super) seq: i64,
    pub(super) mac: Mac,
    /// When it was stored, in microseconds since 1970, unless it is a floor's.
    pub(super) recorded_at: Option<i64>,
    /// The chain has records, and not only a floor.
    pub(super) has_records: bool,
}

impl Verdict {
    /// Whether all of it is as it was written, as far as there are keys for it.
    pub(super) fn is_right(&self) -> bool {
        self.findings.is_empty() && self.unkeyed.is_empty()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.is_right() && self.unknown.is_empty()
    }
}

/// Verifies the tenant's records in `source`: the table, or a part of it in brackets.
pub(super) async fn verify(
    reader: &mut Reader,
    source: &str,
    keys: &KeyRing,
    tenant: &str,
    published: &[&Head],
) -> Result<Verdict> {
    let mut keys = keys.tenant(tenant);
    let mut verdict = Verdict {
        tenant: tenant.to_owned(),
        ..Verdict::default()
    };
    let mut floors = Vec::new();
    let pseudonyms: BTreeSet<String> = keys.keys().iter().map(|it| it.key.pseudonym()).collect();
    for pseudonym in pseudonyms {
        reader.enter(&pseudonym).await?;
        let proves = |floor: &Floor, found: &Mac| keys.proves_erased(floor, found);
        floors.extend(self::floors(reader, &pseudonym, proves).await?);
    }
    verdict.erased = floors.iter().map(|floor: &Floor| floor.before).max();
    reader.enter(tenant).await?;
    let proves = |floor: &Floor, found: &Mac| keys.proves(floor, found);
    floors.extend(self::floors(reader, tenant, proves).await?);
    note_rows(reader, source, tenant, &mut keys).await?;
    chains(reader, source, &keys, published, &floors, &mut verdict).await?;
    let before = floors.iter().map(|floor| floor.before).max();
    calls(
        reader,
        source,
        keys,
        before.unwrap_or(i64::MIN),
        &mut verdict,
    )
    .await?;
    Ok(verdict)
}

/// Clocks of servers may differ by so much, in microseconds.
const SKEW: i64 = 600_000_000;

/// Finds the first row that was stored after the end of each earlier key: the numbers of rows grow as they
/// are stored, and the application role can't choose them.
async fn note_rows(
    reader: &mut Reader,
    source: &str,
    tenant: &str,
    keys: &mut TenantRing,
) -> Result<()> {
    let mut rows = BTreeMap::new();
    for (id, until) in keys
        .keys()
        .iter()
        .filter_map(|key| Some((key.id, key.until?)))
    {
        let sql = format!(
            "SELECT min(id) FROM {source} WHERE tenant_id = $1 AND {} > $2",
            micros("recorded_at")
        );
        let first: Option<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(tenant)
            .bind(until.saturating_add(SKEW))
            .fetch_one(&mut reader.connection)
            .await?;
        rows.insert(id, first);
    }
    keys.note_rows(|id| rows.get(&id).copied().flatten());
    Ok(())
}

/// What was given up on purpose, as far as a key shows it. One that no holder of a key made
/// counts for nothing, and the gap is reported.
async fn floors(
    reader: &mut Reader,
    tenant: &str,
    proves: impl Fn(&Floor, &Mac) -> bool,
) -> Result<Vec<Floor>> {
    let sql = format!(
        "SELECT writer, seq, mac, proof, {} AS before FROM watertight.audit_floor WHERE tenant_id = $1 ORDER BY writer",
        micros("before")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(tenant)
        .fetch_all(&mut reader.connection)
        .await?;
    let mut floors = Vec::new();
    for row in rows {
        let floor = Floor {
            head: Head {
                tenant: tenant.to_owned(),
                writer: row.try_get("writer")?,
                seq: row.try_get("seq")?,
                mac: mac(&row, "mac")?.unwrap_or(Mac::NONE),
                recorded_at: None,
            },
            before: row.try_get("before")?,
        };
        if mac(&row, "proof")?.is_some_and(|found| proves(&floor, &found)) {
            floors.push(floor);
        }
    }
    Ok(floors)
}

async fn chains(
    reader: &mut Reader,
    source: &str,
    keys: &TenantRing,
    published: &[&Head],
    floors: &[Floor],
    verdict: &mut Verdict,
) -> Result<()> {
    let begin = |writer: &str| Following::begin(keys, writer, published, floors);
    let mut seen = BTreeSet::new();
    let mut current: Option<Following> = None;
    let sql = format!(
        "SELECT id, coalesce(writer, '') AS writer, coalesce(seq, 0) AS seq, mac, reference, {at} AS at, \
                {recorded_at} AS recorded_at, tool, issuer, subject, home_tenant, client, agent, \
                arguments::text AS arguments, outcome, error, rows, duration_us, protocol, probe, \
                coalesce(effects, 0) AS effects, ordinals, coalesce(uncertain, 0) AS uncertain \
         FROM {source} WHERE tenant_id = $1 AND kind = 'completion' ORDER BY 2, 3, 1",
        at = micros("at"),
        recorded_at = micros("recorded_at"),
    );
    let tenant = verdict.tenant.clone();
    let mut rows = sqlx::query(AssertSqlSafe(sql))
        .bind(&tenant)
        .fetch(&mut reader.connection);
    while let Some(row) = rows.try_next().await? {
        let writer: String = row.try_get("writer")?;
        let stored = completion(&row)?;
        if stored.mac.is_none() {
            *verdict.unkeyed.entry(writer).or_default() += 1;
            continue;
        }
        if current.as_ref().is_none_or(|chain| chain.writer != writer) {
            if let Some(chain) = current.take() {
                chain.end(verdict);
            }
            seen.insert(writer.clone());
            current = Some(begin(&writer));
        }
        if let Some(chain) = &mut current {
            chain.push(stored);
        }
    }
    drop(rows);
    if let Some(chain) = current {
        chain.end(verdict);
    }
    // Chains of which nothing is left.
    let published = published.iter().map(|head| head.writer.as_str());
    let floors = floors.iter().map(|floor| floor.head.writer.as_str());
    // What is noted without a writer is when, and of no chain.
    let known: BTreeSet<&str> = published
        .chain(floors)
        .filter(|it| !it.is_empty())
        .collect();
    for writer in known.into_iter().filter(|writer| !seen.contains(*writer)) {
        begin(writer).end(verdict);
    }
    Ok(())
}

/// The writes of each call. Of calls that began before `before` some may have been given up.
async fn calls(
    reader: &mut Reader,
    source: &str,
    keys: TenantRing,
    before: i64,
    verdict: &mut Verdict,
) -> Result<()> {
    let keyless = verdict.calls == 0 && !verdict.unknown.is_empty();
    let mut calls = CallVerifier::new(keys).keyless(keyless);
    let sql = format!(
        "SELECT id, kind, reference, {at} AS at, {recorded_at} AS recorded_at, tool, issuer, subject, home_tenant, \
                coalesce(writer, '') AS writer, coalesce(ordinal, 0) AS ordinal, mac, coalesce(effects, 0) AS effects, ordinals, \
                coalesce(uncertain, 0) AS uncertain \
         FROM {source} WHERE tenant_id = $1 \
           AND (kind = 'effect' OR effects > 0 OR uncertain > 0 OR ordinals IS NOT NULL OR reference IN \
                (SELECT reference FROM {source} WHERE tenant_id = $1 AND kind = 'effect')) \
         ORDER BY reference, id",
        at = micros("at"),
        recorded_at = micros("recorded_at"),
    );
    let mut rows = sqlx::query(AssertSqlSafe(sql))
        .bind(&verdict.tenant)
        .fetch(&mut reader.connection);
    let (mut reference, mut effects, mut said) = (String::new(), Vec::new(), Vec::new());
    while let Some(row) = rows.try_next().await? {
        let own: String = row.try_get("reference")?;
        if own != reference {
            calls.push(&reference, &effects, &said);
            (reference, effects, said) = (own, Vec::new(), Vec::new());
        }
        match row.try_get::<&str, _>("kind")? {
            "effect" if row.try_get::<Option<&[u8]>, _>("mac")?.is_none() => {
                // If it had one once, the record of the call misses it.
                *verdict.unkeyed.entry(String::new()).or_default() += 1;
            }
            "effect" => effects.push(effect(&row)?),
            _ => said.push(says(&row, before)?),
        }
    }
    calls.push(&reference, &effects, &said);
    let Calls {
        verified,
        unsealed,
        unknown,
        findings,
    } = calls.finish();
    (verdict.writes, verdict.unsealed) = (verified, unsealed);
    verdict.findings.extend(findings);
    if unknown > 0 {
        verdict.unknown.insert(None, unknown);
    }
    Ok(())
}

fn says(row: &PgRow, before: i64) -> Result<Said> {
    let (certain, uncertain): (i32, i32) = (row.try_get("effects")?, row.try_get("uncertain")?);
    let uncertain = u64::try_from(uncertain).unwrap_or_default();
    let key = KeyId::of_writer(row.try_get("writer")?);
    Ok(match row.try_get::<i64, _>("at")? < before {
        true => Said {
            ordinals: None,
            uncertain: uncertain.saturating_add(u64::try_from(certain).unwrap_or_default()),
            key,
        },
        false => Said {
            ordinals: row.try_get("ordinals")?,
            uncertain,
            key,
        },
    })
}

/// A time in microseconds since 1970, and the earliest number for what no record can have: infinity,
/// and years that don't fit.
fn micros(column: &str) -> String {
    format!(
        "CASE WHEN {column} BETWEEN timestamptz '1970-01-01 00:00:00+00' AND timestamptz '9999-12-31 00:00:00+00' \
         THEN (extract(epoch FROM {column}) * 1000000)::bigint ELSE (-9223372036854775808)::bigint END"
    )
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
            agent: row.try_get("agent")?,
            arguments: row.try_get("arguments")?,
            outcome: row.try_get("outcome")?,
            error: row.try_get("error")?,
            rows: row.try_get("rows")?,
            duration_us: row.try_get("duration_us")?,
            protocol: row.try_get("protocol")?,
            probe: row.try_get("probe")?,
            effects: row.try_get("effects")?,
            ordinals: row.try_get("ordinals")?,
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
            recorded_at: row.try_get("recorded_at")?,
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
