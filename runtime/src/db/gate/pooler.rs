//! What stands between the pool and PostgreSQL, seen from here: two connections at once are asked in turn
//! who answers, and whether a transaction and a prepared statement of theirs are still their own.
//!
//! Invariant: a pool opens only if the statements that it is going to send get their own answers. What
//! is sent here changes nothing, and one connection never waits for the other's transaction.

use std::collections::HashSet;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use super::Finding;
use crate::db::pooler::Pooler;

/// Who is asked. Neither strictly in turn nor always twice: a pooler that deals its server connections
/// out one after the other would then look like none.
const TURNS: [usize; 10] = [0, 0, 1, 1, 0, 1, 1, 0, 0, 1];
/// How often each connection runs its own prepared statements again.
const ROUNDS: usize = 3;

/// Tests what `pooler` says. Gives the first of its two connections back, for what comes next.
pub(crate) async fn check(
    options: &PgConnectOptions,
    pooler: Pooler,
) -> Result<(PgConnection, Option<Finding>), sqlx::Error> {
    let first = PgConnection::connect_with(options).await?;
    let second = PgConnection::connect_with(options).await?;
    let mut both = [first, second];
    let finding = look(&mut both, pooler).await?;
    let [first, second] = both;
    // Its answer does not matter: dropped, the connection is closed as well.
    let _ = second.close().await;
    Ok((first, finding))
}

async fn look(
    both: &mut [PgConnection; 2],
    pooler: Pooler,
) -> Result<Option<Finding>, sqlx::Error> {
    if !pooler.mixes() && answers_change(both).await? {
        return Ok(Some(unsaid()));
    }
    if let Some(finding) = transactions_split(both).await? {
        return Ok(Some(finding));
    }
    if pooler.names_statements() && statements_mix(both).await? {
        return Ok(Some(match pooler {
            Pooler::TransactionTracked => untracked(),
            _ => unsaid(),
        }));
    }
    Ok(None)
}

/// A refusal to connect that only a pooler gives: sqlx sends a parameter that PostgreSQL knows.
pub(crate) fn refused_by(error: &sqlx::Error, pooler: Pooler) -> Option<Finding> {
    let message = error.as_database_error()?.message();
    if message.contains("statement pooling") {
        return Some(splits());
    }
    (!pooler.mixes() && message.contains("unsupported startup parameter")).then(unsaid)
}

/// Whether a connection is answered by several server processes, or both by one.
async fn answers_change(both: &mut [PgConnection; 2]) -> Result<bool, sqlx::Error> {
    let mut seen = [HashSet::new(), HashSet::new()];
    for turn in TURNS {
        if let (Some(connection), Some(seen)) = (both.get_mut(turn), seen.get_mut(turn)) {
            // Outside a transaction, and without a prepared statement.
            let row = sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()");
            let row = row.fetch_one(connection).await?;
            seen.insert(row.try_get::<i32, _>(0)?);
        }
    }
    let [first, second] = &seen;
    Ok(first.len() > 1 || second.len() > 1 || !first.is_disjoint(second))
}

/// Whether a message within a transaction reaches another session than the one that began it: then
/// what a scope sets at its beginning does not bind its statements.
async fn transactions_split(both: &mut [PgConnection; 2]) -> Result<Option<Finding>, sqlx::Error> {
    for turn in TURNS {
        let Some(connection) = both.get_mut(turn) else {
            continue;
        };
        let begin = format!("BEGIN READ ONLY; SET LOCAL watertight.probe = 'of {turn}'");
        let begun = sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection);
        if let Err(error) = begun.await {
            return refused_by(&error, Pooler::Transaction)
                .map(Some)
                .ok_or(error);
        }
        let mut answered = HashSet::new();
        for _ in 0..2 {
            let row = sqlx::raw_sql(
                "SELECT pg_catalog.pg_backend_pid() || ' ' || \
                 coalesce(pg_catalog.current_setting('watertight.probe', true), '')",
            );
            let row = row.fetch_one(&mut *connection).await?;
            answered.insert(row.try_get::<String, _>(0)?);
        }
        let own = |answer: &String| answer.ends_with(&format!(" of {turn}"));
        if answered.len() > 1 || !answered.iter().all(own) {
            return Ok(Some(splits()));
        }
        sqlx::raw_sql("ROLLBACK").execute(connection).await?;
    }
    Ok(None)
}

/// Whether a prepared statement is lost, or answered by another connection's. Each connection numbers
/// its own from one, so both give the same names to different texts.
async fn statements_mix(both: &mut [PgConnection; 2]) -> Result<bool, sqlx::Error> {
    for round in 0..ROUNDS {
        for (turn, connection) in both.iter_mut().enumerate() {
            let begin = sqlx::raw_sql("BEGIN READ ONLY");
            begin.execute(&mut *connection).await?;
            for text in [format!("{turn}"), format!("{turn} in {round}")] {
                let sql = format!("SELECT 'of {text}' WHERE $1");
                let answer = sqlx::query_scalar(AssertSqlSafe(sql)).bind(true);
                let answer: Result<String, _> = answer.fetch_one(&mut *connection).await;
                match answer {
                    Ok(answer) if answer == format!("of {text}") => {}
                    // A result of another shape does not even fit.
                    Ok(_)
                    | Err(
                        sqlx::Error::RowNotFound
                        | sqlx::Error::ColumnDecode { .. }
                        | sqlx::Error::Decode(_),
                    ) => return Ok(true),
                    Err(sqlx::Error::Database(error))
                        if is_of_statement(error.code().as_deref()) =>
                    {
                        return Ok(true);
                    }
                    Err(error) => return Err(error),
                }
            }
            let end = sqlx::raw_sql("ROLLBACK");
            end.execute(&mut *connection).await?;
        }
    }
    Ok(false)
}

/// No such prepared statement, one of that name exists, or it takes other parameters.
fn is_of_statement(code: Option<&str>) -> bool {
    matches!(code, Some("26000" | "42P05" | "08P01"))
}

fn unsaid() -> Finding {
    Finding::new(
        "the connection goes through a pooler that gives each transaction another server connection, \
         where a prepared statement returns the rows of another one",
        "write `.pooler(Pooler::Transaction)` on the pool's builder\n\
         with PgBouncer 1.21 or newer and its `max_prepared_statements` above 0, \
         `.pooler(Pooler::TransactionTracked)` saves a round trip for each statement\n\
         or connect to PostgreSQL itself, or to a pooler in session mode",
    )
}

fn untracked() -> Finding {
    Finding::new(
        "the pooler does not keep track of prepared statements, so one returns the rows of another one",
        "write `.pooler(Pooler::Transaction)` on the pool's builder\n\
         or set `max_prepared_statements = 200` in the configuration of PgBouncer, 1.21 or newer",
    )
}

fn splits() -> Finding {
    Finding::new(
        "the connection goes through a pooler that gives each statement another server connection, so \
         no transaction holds what a scope sets when it begins",
        "set `pool_mode = transaction` (or `session`) in the pooler's configuration",
    )
}
