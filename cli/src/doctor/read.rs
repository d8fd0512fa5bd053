//! Asks the server: the snapshot and the facts, in one read-only transaction.

use anyhow::{Context, Result, bail};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use watertight_analysis::posture::{Facts, QUERIES, Query};

use crate::{address, pull};

/// What was read.
pub(crate) struct Live {
    /// Host, port and database.
    pub(crate) place: String,
    /// The application role.
    pub(crate) role: String,
    /// The snapshot.
    pub(crate) text: String,
    pub(crate) facts: Facts,
    /// The rows of the posture's queries, by the name of the query.
    pub(crate) raw: Vec<(&'static str, String)>,
}

/// Reads the database as it is for `role`, or for the role that must be the application's.
pub(crate) async fn read(url: &str, role: Option<String>) -> Result<Live> {
    let (mut connection, place) = address::connect(url).await?;
    let live = within(&mut connection, role)
        .await
        .with_context(|| format!("the database at {place} can't be read"));
    connection.close().await.ok();
    let mut live = live?;
    live.place = format!("{place}/{}", live.place);
    Ok(live)
}

async fn within(connection: &mut PgConnection, role: Option<String>) -> Result<Live> {
    pull::begin(connection).await?;
    // Who changes a table holds a lock on it, which what is told of it would wait for.
    sqlx::raw_sql("SET LOCAL lock_timeout = '10s'")
        .execute(&mut *connection)
        .await?;
    let database: String = sqlx::query_scalar("SELECT pg_catalog.current_database()::text")
        .fetch_one(&mut *connection)
        .await?;
    let mut facts = Facts::default();
    let mut raw = Vec::new();
    let (first, second): (Vec<&Query>, Vec<&Query>) = QUERIES.iter().partition(|q| !q.asks_role());
    for query in first {
        ask(connection, query, None, &mut facts, &mut raw).await?;
    }
    let role = match role {
        Some(role) => role,
        None => super::guess(&facts)?,
    };
    if !facts.has_role(&role) {
        bail!(
            "the server has no role `{role}`; name the role that the application connects as: `--role ROLE`, or `application-role` in watertight.toml"
        );
    }
    for query in second {
        ask(connection, query, Some(&role), &mut facts, &mut raw).await?;
    }
    let text = pull::snapshot(connection, &role).await.map_err(unchained)?;
    sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
    Ok(Live {
        place: database,
        role,
        text,
        facts,
        raw,
    })
}

async fn ask(
    connection: &mut PgConnection,
    query: &Query,
    role: Option<&str>,
    facts: &mut Facts,
    raw: &mut Vec<(&'static str, String)>,
) -> Result<()> {
    let mut asked = sqlx::query_scalar::<_, String>(query.sql);
    if let Some(role) = role {
        asked = asked.bind(role);
    }
    let rows = asked
        .fetch_all(&mut *connection)
        .await
        .map_err(plain)
        .with_context(|| format!("reading `{}`", query.name))?;
    for row in rows {
        facts
            .add(query.name, &row)
            .map_err(|why| anyhow::anyhow!(why))?;
        raw.push((query.name, row));
    }
    Ok(())
}

/// What the server said, once, and what to do about it.
pub(crate) fn plain(error: sqlx::Error) -> anyhow::Error {
    let sqlx::Error::Database(said) = &error else {
        return error.into();
    };
    let help = match said.code().as_deref() {
        Some("57014") => {
            "\n  help: give the login more time: ALTER ROLE … SET statement_timeout = '60s', or `?options=-c%20statement_timeout%3D60s` behind the URL"
        }
        Some("55P03") => {
            "\n  help: another session holds a lock, as a migration does while it runs; try again when it is over"
        }
        Some("53200") => {
            "\n  help: the server has no room for so many locks: raise max_locks_per_transaction (256 for some thousand tables) and restart it"
        }
        Some("42501") => {
            "\n  help: connect as a role that may, such as the owner of the schema; nothing can be told without it"
        }
        _ => "",
    };
    anyhow::anyhow!("{}{help}", said.message())
}

/// The same for an error with contexts around it.
fn unchained(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<sqlx::Error>() {
        Ok(error) => plain(error),
        Err(error) => error,
    }
}
