//! Rows one by one, as a stream that borrows the scope.
//!
//! The producer is a future that owns the statement in flight; it leaves one row in a slot and
//! waits until the consumer took it. Invariant: a stream that is dropped before its end leaves
//! the statement unsettled, so the connection is closed instead of going back to the pool; and no
//! row is given out after the scope's call or credentials have ended.

use std::future::{self, Future};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::{Stream, TryStreamExt as _};
use sqlx::Either;

use super::access::Target;
use super::proof::Statement;
use super::run::{Open, note, report};
use crate::db::{DbError, DbResult};

async fn produce<O: Open, T: Send>(
    target: Target<'_>,
    statement: Statement,
    writes: bool,
    mut query: O,
    mut decode: impl FnMut(O::Row) -> Result<T, sqlx::Error> + Send,
    slot: Slot<T>,
) -> DbResult<()> {
    note(&statement);
    if !target.tx.names_statements() {
        query.keep_nothing();
    }
    let relations = statement.relations;
    let mut in_flight = target.tx.statement(statement.catalog, writes, relations)?;
    let life = in_flight.life().clone();
    let connection = in_flight.connection()?;
    let mut rows = 0;
    let answer = {
        let mut steps = query.open(connection);
        let over = life.over();
        tokio::pin!(over);
        loop {
            // What was read before is given out to nobody after the end.
            life.check()?;
            let step = tokio::select! {
                biased;
                step = steps.try_next() => step,
                over = &mut over => return Err(over.into()),
            };
            match step {
                Ok(Some(Either::Left(_))) => {}
                Ok(Some(Either::Right(row))) => match decode(row) {
                    Ok(row) => {
                        rows += 1;
                        slot.put(row);
                        slot.taken().await;
                    }
                    Err(error) => break Err(error),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    };
    in_flight.count_rows(rows);
    let answer = in_flight.settle(answer);
    if let Err(error) = &answer {
        report(&statement, error);
    }
    answer
}

/// Rows as they arrive. Dropping it before its end closes the scope's connection.
#[must_use = "a stream does nothing until it is polled"]
pub struct Rows<'s, T> {
    /// `None` once it ended.
    producer: Option<Pin<Box<dyn Future<Output = DbResult<()>> + Send + 's>>>,
    slot: Slot<T>,
}

impl<'s, T: Send + 's> Rows<'s, T> {
    /// Runs `query` row by row.
    pub(super) fn new<O: Open + 's>(
        target: Target<'s>,
        statement: Statement,
        writes: bool,
        query: O,
        decode: impl FnMut(O::Row) -> Result<T, sqlx::Error> + Send + 's,
    ) -> Self {
        let slot = Slot(Arc::new(Mutex::new(None)));
        let producer = produce(target, statement, writes, query, decode, slot.clone());
        Self {
            producer: Some(Box::pin(producer)),
            slot,
        }
    }

    /// Yields the error alone.
    pub(super) fn failed(error: DbError) -> Self {
        let slot = Slot(Arc::new(Mutex::new(None)));
        Self {
            producer: Some(Box::pin(future::ready(Err(error)))),
            slot,
        }
    }
}

impl<T> std::fmt::Debug for Rows<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl<T> Stream for Rows<'_, T> {
    type Item = DbResult<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<DbResult<T>>> {
        let Some(producer) = &mut self.producer else {
            return Poll::Ready(None);
        };
        match producer.as_mut().poll(cx) {
            Poll::Ready(end) => {
                self.producer = None;
                Poll::Ready(end.err().map(Err))
            }
            Poll::Pending => match self.slot.take() {
                Some(row) => Poll::Ready(Some(Ok(row))),
                None => Poll::Pending,
            },
        }
    }
}

/// One row on its way from the producer to the consumer, which run in the same task.
struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, row: T) {
        *self.lock() = Some(row);
    }

    fn take(&self) -> Option<T> {
        self.lock().take()
    }

    /// Waits until the consumer took the row. No waker: taking it is followed by the next poll.
    fn taken(&self) -> impl Future<Output = ()> {
        future::poll_fn(|_| match *self.lock() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        })
    }
}

/// A stream without rows, for functions whose statement was refused at compile time.
pub fn refused_stream<I>() -> impl Stream<Item = I> + Send
where
    I: Send,
{
    futures_util::stream::empty()
}
