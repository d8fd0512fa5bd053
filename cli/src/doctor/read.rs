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
    let text = pull::snapshot(connection, &role).await?;
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
        .with_context(|| format!("reading `{}`", query.name))?;
    for row in rows {
        facts
            .add(query.name, &row)
            .map_err(|why| anyhow::anyhow!(why))?;
        raw.push((query.name, row));
    }
    Ok(())
}
