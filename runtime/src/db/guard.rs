//! Owns a pooled connection for the life of one scope and decides what becomes of it.
//!
//! Invariant: a connection goes back to the pool only if this process saw the answer to the last
//! message it sent on it, and then with its transaction ended. In every other case, a dropped
//! future above all, it is closed. The state is set *before* a message is sent.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, Either, PgConnection, Postgres, Row as _, SqlSafeStr as _};
// The one item that sqlx itself does not export: it queues a rollback without waiting.
use sqlx_core::transaction::TransactionManager as _;
use tokio::runtime::Handle;

use super::begin::{End, Mode};
use super::slots::Slot;

/// What is known about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside a transaction, nothing in flight.
    Idle,
    /// Inside the scope's transaction, nothing in flight.
    Open(Mode),
    /// A message was sent and its answer was not seen: nothing is known.
    Unknown,
}

pub(crate) struct Guard {
    /// `None` only while `drop` hands it on.
    connection: Option<PoolConnection<Postgres>>,
    state: State,
    /// Dropping a pooled connection spawns a task; a scope may be dropped outside any runtime.
    runtime: Handle,
    /// One for each connection of the pool, so that waiting for one is told apart from failing to
    /// open one.
    _slot: Arc<Slot>,
}

impl Guard {
    pub(super) fn new(
        connection: PoolConnection<Postgres>,
        runtime: Handle,
        slot: Arc<Slot>,
    ) -> Self {
        Self {
            connection: Some(connection),
            state: State::Idle,
            runtime,
            _slot: slot,
        }
    }

    /// Sends the begin message and waits for its answer.
    pub(crate) async fn begin(&mut self, mode: Mode, text: String) -> Result<(), sqlx::Error> {
        let connection = self.send()?;
        match mode {
            // sqlx counts this transaction, so that its rollback can be queued from `drop` and
            // travels together with the ping by which the pool takes the connection back.
            Mode::Read => {
                let text = AssertSqlSafe(text).into_sql_str();
                PgTransactionManager::begin(connection, Some(text)).await?;
            }
            // sqlx must not count this one: our commit message ends it without sqlx knowing.
            Mode::Write => {
                sqlx::raw_sql(AssertSqlSafe(text))
                    .execute(connection)
                    .await?;
            }
        }
        self.state = State::Open(mode);
        Ok(())
    }

    /// Sends a message that ends the transaction without storing anything, or that is a whole one of
    /// our own statements; the connection is idle afterwards.
    pub(crate) async fn whole(&mut self, text: String) -> Result<(), sqlx::Error> {
        let connection = self.send()?;
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(connection)
            .await?;
        self.state = State::Idle;
        Ok(())
    }

    /// Sends the commit message and waits for its answer. The last row that comes with it says whether
    /// the connection is clean; if not, or if it got lost after the commit, it is closed.
    pub(crate) async fn commit(&mut self, end: End) -> Result<(), sqlx::Error> {
        let connection = self.send()?;
        let (mut completed, mut clean) = (0, false);
        let mut steps = sqlx::raw_sql(AssertSqlSafe(end.text)).fetch_many(connection);
        let answer = loop {
            match steps.try_next().await {
                Ok(Some(Either::Left(_))) => completed += 1,
                Ok(Some(Either::Right(row))) => clean = row.try_get(0).unwrap_or(false),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(steps);
        match answer {
            Ok(()) if clean => self.state = State::Idle,
            Ok(()) => tracing::error!(
                target: "watertight::db",
                "a committed transaction left a tenant, a temporary table, a cursor or a listener \
                 behind in its session; the connection is closed"
            ),
            Err(error) if completed < end.stored_after => return Err(error),
            Err(error) => {
                tracing::debug!(target: "watertight::db", %error, "lost after commit, connection closed");
            }
        }
        Ok(())
    }

    /// Gives the connection out for one statement. Until [`Guard::answered`] it counts as
    /// unknown and is closed if it is dropped.
    pub(crate) fn send(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.state = State::Unknown;
        match &mut self.connection {
            Some(connection) => Ok(connection),
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// The last statement's answer was seen to its end, inside the transaction.
    pub(crate) fn answered(&mut self, mode: Mode) {
        self.state = State::Open(mode);
    }

    pub(crate) fn connection(&mut self) -> Option<&mut PgConnection> {
        self.connection.as_deref_mut()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let _inside = Handle::try_current().is_err().then(|| self.runtime.enter());
        match self.state {
            State::Idle => {}
            State::Open(Mode::Read) => PgTransactionManager::start_rollback(&mut connection),
            State::Open(Mode::Write) => {
                tokio::spawn(roll_back(Rollback(Some(connection))));
                return;
            }
            State::Unknown => connection.close_on_drop(),
        }
        drop(connection);
    }
}

/// A connection whose transaction still has to be ended; closed unless that was seen to happen.
struct Rollback(Option<PoolConnection<Postgres>>);

async fn roll_back(mut rollback: Rollback) {
    let Some(connection) = rollback.0.as_deref_mut() else {
        return;
    };
    match sqlx::raw_sql("ROLLBACK").execute(connection).await {
        Ok(_) => drop(rollback.0.take()),
        Err(error) => {
            tracing::debug!(target: "watertight::db", %error, "rollback failed, connection closed");
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}
