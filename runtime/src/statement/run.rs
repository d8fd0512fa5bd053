//! Sends a statement and reads its answer to the end.
//!
//! Invariant: the answer is read to its end even when a row is refused, so that the connection
//! stays fit; a refused row leaves a scope that can't commit.

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use sqlx::Either;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::{Executor as _, PgConnection, Postgres};

use super::access::Target;
use super::proof::Statement;
use crate::db::{DbError, DbErrorKind, DbResult};

/// One step of an answer: the end of the command, or a row.
pub type Step<T> = Result<Either<PgQueryResult, T>, sqlx::Error>;

/// Starts an answer on the scope's connection.
pub trait Open: Send {
    /// What a row becomes.
    type Row: Send;

    /// Sends the query and gives its answer. Boxed: an opaque type with a lifetime would keep the
    /// compiler from seeing that a tool's future is `Send`.
    fn open<'e>(self, connection: &'e mut PgConnection) -> BoxStream<'e, Step<Self::Row>>
    where
        Self: 'e,
        Self::Row: 'e;

    /// Leaves nothing prepared on the server: behind a pooler the next transaction is on another one.
    /// What sqlx's macros give can't be told so; there the begin message deallocates.
    fn keep_nothing(&mut self) {}
}

/// A proved text with all its values.
#[derive(Debug)]
pub struct Ready {
    pub(super) sql: &'static str,
    pub(super) arguments: PgArguments,
    pub(super) persistent: bool,
}

impl Open for Ready {
    type Row = PgRow;

    fn open<'e>(self, connection: &'e mut PgConnection) -> BoxStream<'e, Step<PgRow>>
    where
        Self: 'e,
    {
        let query = sqlx::query_with::<Postgres, _>(self.sql, self.arguments);
        connection.fetch_many(query.persistent(self.persistent))
    }

    fn keep_nothing(&mut self) {
        self.persistent = false;
    }
}

/// Runs to the end, handing each row to `each`.
pub(super) async fn run<O: Open>(
    target: Target<'_>,
    statement: &Statement,
    writes: bool,
    mut query: O,
    mut each: impl FnMut(O::Row) -> DbResult<()> + Send,
) -> DbResult<PgQueryResult> {
    note(statement);
    let Target { tx, .. } = target;
    if !tx.names_statements() {
        query.keep_nothing();
    }
    let mut in_flight = tx.statement(statement.catalog, writes, statement.relations)?;
    let life = in_flight.life().clone();
    let connection = in_flight.connection()?;
    let mut done = PgQueryResult::default();
    let mut rows = 0;
    let mut refused = None;
    let answer = {
        let mut steps = query.open(connection);
        let over = life.over();
        tokio::pin!(over);
        loop {
            let step = tokio::select! {
                biased;
                step = steps.try_next() => step,
                // The connection is closed, since its answer was not seen to the end.
                over = &mut over => return Err(over.into()),
            };
            match step {
                Ok(Some(Either::Left(result))) => done.extend([result]),
                Ok(Some(Either::Right(row))) => {
                    rows += 1;
                    if refused.is_none() {
                        refused = each(row).err();
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    };
    in_flight.count_rows(rows);
    let answer = in_flight.settle(answer);
    if refused.is_some() {
        tx.fail();
    }
    match answer.err().or(refused) {
        None => Ok(done),
        Some(error) => {
            report(statement, &error);
            Err(error)
        }
    }
}

/// All rows.
pub(super) async fn all<O: Open, T: Send>(
    target: Target<'_>,
    statement: &Statement,
    writes: bool,
    query: O,
    mut decode: impl FnMut(O::Row) -> Result<T, sqlx::Error> + Send,
) -> DbResult<Vec<T>> {
    let mut rows = Vec::new();
    let each = |row| {
        rows.push(decode(row)?);
        Ok(())
    };
    run(target, statement, writes, query, each).await?;
    Ok(rows)
}

/// The first row; a second one is an error if `strict`, and dropped otherwise.
pub(super) async fn first<O: Open, T: Send>(
    target: Target<'_>,
    statement: &Statement,
    writes: bool,
    strict: bool,
    query: O,
    mut decode: impl FnMut(O::Row) -> Result<T, sqlx::Error> + Send,
) -> DbResult<Option<T>> {
    let mut first = None;
    let each = |row| {
        if first.is_none() {
            first = Some(decode(row)?);
        } else if strict {
            return Err(DbError::new(DbErrorKind::TooManyRows));
        }
        Ok(())
    };
    run(target, statement, writes, query, each).await?;
    Ok(first)
}

/// What to return where exactly one row was asked for and there is none.
pub(super) fn not_found<T>(row: Option<T>) -> DbResult<T> {
    row.ok_or_else(|| DbError::new(DbErrorKind::NotFound))
}

/// Traces a statement by its function's name; an unproved one is told with its reason.
pub(super) fn note(statement: &Statement) {
    match statement.unproved {
        Some(reason) => tracing::info!(
            target: "watertight::db",
            statement = statement.name,
            sql = statement.sql,
            reason,
            "an unproved statement runs"
        ),
        None => tracing::trace!(target: "watertight::db", statement = statement.name),
    }
}

/// Names the statement beside its error's kind; the cause is logged with the call's reference.
pub(super) fn report(statement: &Statement, error: &DbError) {
    tracing::debug!(
        target: "watertight::db",
        statement = statement.name,
        kind = error.kind().as_str(),
        "a statement failed"
    );
}
