//! The audit table: how records are put into it and read back.
//!
//! Invariant: the tenant is never among the values; the table takes it from the scope's setting.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row as _;
use watertight_audit::{Completion, Link};

use super::record::AuditRecord;
use crate::db::{DbResult, TenantPool, push_text};
use crate::session::Session;

/// Longer texts are cut: most of these come from tokens and clients.
const LONGEST: usize = 256;

/// A record as the table has it: the effect of a write, or the completion of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// `effect` or `completion`.
    pub kind: String,
    /// What joins the records of a call, the log, and what the client was told.
    pub reference: String,
    /// When the call began, or the effect was committed.
    pub at: DateTime<Utc>,
    /// The tool, resource or prompt.
    pub tool: Option<String>,
    /// Who issued the token.
    pub issuer: Option<String>,
    /// Whom the token names.
    pub subject: Option<String>,
    /// Where the caller belongs, if it chose the tenant from several that its token grants.
    pub home_tenant: Option<String>,
    /// The client that the token was issued to, or the API key, as it was verified.
    pub client: Option<String>,
    /// What the caller calls itself. Nobody has verified it.
    pub agent: Option<String>,
    /// The arguments, as the policy keeps them: a list of names, or an object.
    pub arguments: Option<Value>,
    /// How the call ended; `None` for an effect.
    pub outcome: Option<String>,
    /// The class of the error.
    pub error: Option<String>,
    /// Rows read or changed.
    pub rows: Option<i64>,
    /// How long the call took.
    pub duration: Option<Duration>,
    /// The protocol version.
    pub protocol: Option<String>,
    /// The call used something that no honest client sends.
    pub probe: bool,
}

/// What is stored of a record, and what its MAC is made of.
pub(super) fn completion(record: &AuditRecord, recorded_at: i64) -> Completion {
    let optional = |text: &Option<String>| text.as_deref().map(clean);
    Completion {
        reference: clean(&record.reference),
        at: record.at.timestamp_micros(),
        recorded_at,
        tool: (!record.tool.is_empty()).then(|| clean(&record.tool)),
        issuer: optional(&record.issuer),
        subject: optional(&record.subject),
        home_tenant: record
            .home_tenant
            .as_ref()
            .map(|home| home.as_setting().into_owned()),
        client: optional(&record.client),
        agent: optional(&record.agent),
        arguments: record.arguments.as_ref().map(Value::to_string),
        outcome: Some(record.outcome.as_str().to_owned()),
        error: optional(&record.error),
        rows: Some(i64::try_from(record.rows).unwrap_or(i64::MAX)),
        duration_us: Some(i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX)),
        protocol: optional(&record.protocol),
        probe: record.probe,
        effects: record.effects,
        ordinals: record.ordinals.clone(),
        uncertain: record.uncertain,
    }
}

/// The statement that inserts completions; those without a MAC have no key. Their texts come from
/// clients, so all values travel as one JSON document.
pub(super) fn insert(records: &[(Completion, Link)], keyed: bool) -> String {
    let rows: Vec<_> = records.iter().map(|record| row(record, keyed)).collect();
    let mut sql = String::from(
        "INSERT INTO watertight.audit (kind, reference, at, recorded_at, tool, issuer, subject, home_tenant, client, agent, \
         arguments, outcome, error, rows, duration_us, protocol, probe, effects, ordinals, uncertain, writer, seq, mac) \
         SELECT 'completion', reference, to_timestamp(0) + at * interval '1 microsecond', \
         to_timestamp(0) + recorded_at * interval '1 microsecond', tool, issuer, subject, home_tenant, client, agent, \
         arguments::json, outcome, error, rows, duration_us, protocol, probe, effects, ordinals, uncertain, writer, seq, pg_catalog.decode(mac, 'hex') \
         FROM pg_catalog.jsonb_to_recordset(",
    );
    push_text(&mut sql, &Value::Array(rows).to_string());
    sql.push_str(
        "::pg_catalog.jsonb) AS r(reference text, at bigint, recorded_at bigint, tool text, issuer text, \
         subject text, home_tenant text, client text, agent text, arguments text, outcome text, error text, rows bigint, \
         duration_us bigint, protocol text, probe boolean, effects integer, ordinals text, uncertain integer, writer text, \
         seq bigint, mac text) ORDER BY seq ON CONFLICT DO NOTHING",
    );
    sql
}

fn row((record, link): &(Completion, Link), keyed: bool) -> Value {
    json!({
        "reference": record.reference,
        "at": record.at,
        "recorded_at": record.recorded_at,
        "tool": record.tool,
        "issuer": record.issuer,
        "subject": record.subject,
        "home_tenant": record.home_tenant,
        "client": record.client,
        "agent": record.agent,
        "arguments": record.arguments,
        "outcome": record.outcome,
        "error": record.error,
        "rows": record.rows,
        "duration_us": record.duration_us,
        "protocol": record.protocol,
        "probe": record.probe,
        "effects": record.effects,
        "ordinals": record.ordinals,
        "uncertain": record.uncertain,
        "writer": link.writer,
        "seq": link.seq,
        "mac": keyed.then(|| link.mac.to_string()),
    })
}

/// jsonb can't hold a NUL.
fn clean(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(LONGEST).collect()
}

pub(super) async fn recent(
    pool: &TenantPool,
    session: &Session,
    limit: u32,
) -> DbResult<Vec<AuditEntry>> {
    let mut scope = pool.read(session).await?;
    let catalog = pool.catalog().id();
    let (tx, _) = scope.parts();
    let named = tx.names_statements();
    let mut statement = tx.statement(catalog, false, Some(&["watertight.audit"]))?;
    let rows = sqlx::query(
        "SELECT kind, reference, at, tool, issuer, subject, home_tenant, client, agent, arguments::text, outcome, error, \
                rows, duration_us, protocol, probe \
         FROM watertight.audit ORDER BY id DESC LIMIT $1",
    )
    .persistent(named)
    .bind(i64::from(limit))
    .fetch_all(statement.connection()?)
    .await;
    let rows = statement.settle(rows)?;
    rows.iter()
        .map(|row| entry(row).map_err(Into::into))
        .collect()
}

fn entry(row: &sqlx::postgres::PgRow) -> Result<AuditEntry, sqlx::Error> {
    let arguments: Option<String> = row.try_get("arguments")?;
    let duration: Option<i64> = row.try_get("duration_us")?;
    Ok(AuditEntry {
        kind: row.try_get("kind")?,
        reference: row.try_get("reference")?,
        at: row.try_get("at")?,
        tool: row.try_get("tool")?,
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        home_tenant: row.try_get("home_tenant")?,
        client: row.try_get("client")?,
        agent: row.try_get("agent")?,
        arguments: arguments.and_then(|text| serde_json::from_str(&text).ok()),
        outcome: row.try_get("outcome")?,
        error: row.try_get("error")?,
        rows: row.try_get("rows")?,
        duration: duration
            .and_then(|us| u64::try_from(us).ok())
            .map(Duration::from_micros),
        protocol: row.try_get("protocol")?,
        probe: row.try_get("probe")?,
    })
}
