//! The audit trail of a live database: whether it is there, who can do what with it, and how old it is.
//!
//! Invariant: one read-only transaction with a short time; what the login can't see is told as unknown.

use anyhow::Result;
use serde::Deserialize;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::model::{Fact, State};
use crate::address;

/// The tables of the schema, without asking for a row.
const TABLES: &str = "SELECT coalesce(jsonb_agg(jsonb_build_object(
        'name', c.relname,
        'part', c.relispartition,
        'rls', c.relrowsecurity,
        'forced', c.relforcerowsecurity,
        'policies', (SELECT count(*) FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid),
        'adds', pg_catalog.has_any_column_privilege($1, c.oid, 'INSERT'),
        'changes', (SELECT coalesce(jsonb_agg(wanted), '[]')
            FROM pg_catalog.unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS wanted
            WHERE pg_catalog.has_table_privilege($1, c.oid, wanted)))
        ORDER BY c.relname), '[]')::text
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'watertight' AND c.relkind IN ('r', 'p')";

/// Whether the login reads past the policies.
const SEES: &str = "SELECT (r.rolsuper OR r.rolbypassrls)
        AND pg_catalog.has_table_privilege('watertight.audit', 'SELECT')
    FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user";

/// What was recorded lately. Older months are not read.
const RECORDS: &str = "SELECT jsonb_build_object(
        'calls', count(*) FILTER (WHERE kind = 'completion'),
        'effects', count(*) FILTER (WHERE kind = 'effect'),
        'tenants', count(DISTINCT tenant_id),
        'bare', count(*) FILTER (WHERE mac IS NULL),
        'newest', extract(epoch FROM now() - max(recorded_at))::float8,
        'sealed', extract(epoch FROM now() - max(recorded_at) FILTER (WHERE mac IS NOT NULL))::float8)::text
    FROM watertight.audit WHERE recorded_at > now() - interval '7 days'";

#[derive(Debug, Deserialize)]
struct Table {
    name: String,
    part: bool,
    rls: bool,
    forced: bool,
    policies: i64,
    adds: bool,
    changes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Records {
    calls: i64,
    effects: i64,
    tenants: i64,
    bare: i64,
    newest: Option<f64>,
    sealed: Option<f64>,
}

/// What the trail of this database is, for the role that adds to it.
pub(super) fn look(url: &str, role: &str) -> Result<Vec<Fact>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut connection, _) = address::connect(url).await?;
        let facts = within(&mut connection, role).await;
        connection.close().await.ok();
        facts
    })
}

async fn within(connection: &mut PgConnection, role: &str) -> Result<Vec<Fact>> {
    sqlx::raw_sql("BEGIN READ ONLY; SET LOCAL statement_timeout = '5s'; SET LOCAL search_path = pg_catalog, pg_temp")
        .execute(&mut *connection)
        .await?;
    let tables: String = sqlx::query_scalar(TABLES)
        .bind(role)
        .fetch_one(&mut *connection)
        .await?;
    let tables: Vec<Table> = serde_json::from_str(&tables)?;
    if !tables.iter().any(|table| table.name == "audit") {
        return Ok(vec![fact(
            State::Look,
            "audit tables",
            "there are none in this database: `watertight::migrate`, run as the owner, makes them"
                .to_owned(),
        )]);
    }
    let mut facts = structure(&tables, role);
    let sees: bool = sqlx::query_scalar(SEES).fetch_one(&mut *connection).await?;
    if !sees {
        facts.push(fact(
            State::Look,
            "records",
            "unknown: this login sees no row past the policies; `cargo watertight audit verify` reads a tenant's trail".to_owned(),
        ));
        return Ok(facts);
    }
    match sqlx::query_scalar::<_, String>(RECORDS)
        .fetch_one(&mut *connection)
        .await
    {
        Ok(text) => facts.extend(lately(&serde_json::from_str(&text)?)),
        Err(error) => facts.push(fact(
            State::Look,
            "records",
            format!("unknown: they could not be counted: {}", told(&error)),
        )),
    }
    Ok(facts)
}

/// The server's own words, without its details.
fn told(error: &sqlx::Error) -> String {
    let text = error.as_database_error().map(|it| it.message().to_owned());
    text.unwrap_or_else(|| "the connection was lost".to_owned())
}

fn fact(state: State, name: &str, value: String) -> Fact {
    Fact {
        state,
        name: name.to_owned(),
        value,
    }
}

fn structure(tables: &[Table], role: &str) -> Vec<Fact> {
    let open: Vec<&str> = tables
        .iter()
        .filter(|table| !table.rls || !table.forced)
        .map(|table| table.name.as_str())
        .collect();
    let parts = tables.iter().filter(|table| table.part).count();
    let policies: i64 = tables.iter().map(|table| table.policies).sum();
    let mut facts = vec![match open.is_empty() {
        true => fact(
            State::Good,
            "audit tables",
            format!(
                "{} and {}, each under row-level security that is enabled and forced; {policies} policies",
                tables.len() - parts,
                count(i64::try_from(parts).unwrap_or_default(), "partition")
            ),
        ),
        false => fact(
            State::Bad,
            "audit tables",
            format!(
                "row-level security is not enabled and forced on {}: run `watertight::migrate` as the owner",
                open.join(", ")
            ),
        ),
    }];
    let excess: Vec<String> = tables
        .iter()
        .filter(|table| !table.changes.is_empty())
        .map(|table| format!("{} on {}", table.changes.join(", "), table.name))
        .collect();
    let adds = tables
        .iter()
        .any(|table| table.name == "audit" && table.adds);
    facts.push(match (excess.is_empty(), adds) {
        (false, _) => fact(
            State::Bad,
            "grants",
            format!("`{role}` may {}: a trail that its writer can change shows nothing; run `watertight::migrate` as the owner", excess.join("; ")),
        ),
        (true, true) => fact(
            State::Good,
            "grants",
            format!("`{role}` adds records, and can neither change nor remove them"),
        ),
        (true, false) => fact(
            State::Look,
            "grants",
            format!("`{role}` may not add records: is it the role that the server runs as?"),
        ),
    });
    facts
}

fn lately(records: &Records) -> Vec<Fact> {
    let Some(newest) = records.newest else {
        return vec![fact(
            State::Look,
            "records",
            "none in the last 7 days".to_owned(),
        )];
    };
    let all = records.calls + records.effects;
    let mut facts = vec![fact(
        State::Good,
        "records",
        format!(
            "{} and {} of {} in the last 7 days, the newest {} ago",
            count(records.calls, "call"),
            count(records.effects, "write"),
            count(records.tenants, "tenant"),
            ago(newest)
        ),
    )];
    facts.push(match (records.bare, records.sealed) {
        (0, Some(sealed)) => fact(
            State::Good,
            "seals",
            format!("each of these {all} records has a MAC; the newest seal is {} old. `cargo watertight audit verify` holds the key and checks them", ago(sealed)),
        ),
        (_, None) => fact(
            State::Look,
            "seals",
            format!("none of these {all} records has a MAC: the server runs without a key (`AuditOptions::key`)"),
        ),
        (bare, Some(sealed)) => fact(
            State::Look,
            "seals",
            format!("{bare} of these {all} records have no MAC; the newest seal is {} old", ago(sealed)),
        ),
    });
    facts
}

fn count(number: i64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A time that has gone by, as people say it.
fn ago(seconds: f64) -> String {
    let (number, unit) = match seconds {
        s if s < 120.0 => (s, "second"),
        s if s < 7200.0 => (s / 60.0, "minute"),
        s if s < 172_800.0 => (s / 3600.0, "hour"),
        s => (s / 86_400.0, "day"),
    };
    let number = number.max(0.0).round();
    format!("{number} {unit}{}", if number == 1.0 { "" } else { "s" })
}
