//! The handle by which completed calls are recorded.
//!
//! Invariant: recording never fails and never waits. A record is in the queue, in the table, or,
//! if neither is possible, in the log.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::by_hand::ByHand;
use super::hurry::{FLUSH_LIMIT, Hurry};
use super::options::{AuditArguments, AuditOptions};
use super::pending::{Pending, log};
use super::record::AuditRecord;
use super::task::{Flush, Message, Task};
use super::trail::{self, AuditEntry};
use crate::db::{DbErrorKind, DbResult, TenantPool};
use crate::error::Reference;
use crate::session::Session;

/// How long a record that is waited for waits for a place in the queue.
const QUEUE_LIMIT: Duration = Duration::from_secs(5);
/// How long whoever waits for a record waits for the table.
const STORE_LIMIT: Duration = Duration::from_secs(10);
/// Beyond that a flush is over: the queue's time, and the anchor's.
const FLUSH_WAIT: Duration = FLUSH_LIMIT.saturating_add(Duration::from_secs(6));

/// The handle by which completed calls are recorded. Cheap to clone; all clones share one queue.
#[derive(Clone)]
pub struct AuditWriter {
    to: Option<Queue>,
    arguments: AuditArguments,
    strict: bool,
}

#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Message>,
    pool: TenantPool,
    hurry: Hurry,
    /// Where the same pool's writes by hand are recorded.
    by_hand: Weak<ByHand>,
}

/// An [`AuditWriter`] that does not keep its task going.
pub(super) struct WeakWriter {
    sender: mpsc::WeakSender<Message>,
    pool: TenantPool,
    hurry: Hurry,
    arguments: AuditArguments,
    strict: bool,
}

impl AuditWriter {
    /// Starts the task that writes records through `pool`, with the options that the pool was opened
    /// with. It ends when the last handle is dropped, after having written what was recorded.
    #[must_use]
    pub fn start(pool: TenantPool) -> Self {
        let options = pool.auditing().clone();
        Self::with(pool, options)
    }

    /// The same with other options.
    pub(crate) fn with(pool: TenantPool, options: AuditOptions) -> Self {
        let writer = Self::spawn(&pool, options);
        pool.by_hand().register(&writer);
        writer
    }

    /// One for writes by hand on a pool without a server.
    pub(super) fn of_pool(pool: &TenantPool) -> Self {
        Self::spawn(pool, pool.auditing().clone())
    }

    fn spawn(pool: &TenantPool, options: AuditOptions) -> Self {
        let (sender, receiver) = mpsc::channel(options.limits.queue.max(1));
        let (arguments, strict) = (options.arguments, options.strict);
        let hurry = Hurry::default();
        let task = Task::new(pool.for_records(), options, hurry.clone());
        tokio::spawn(task.run(receiver));
        let by_hand = Arc::downgrade(pool.by_hand());
        let pool = pool.for_records();
        Self {
            to: Some(Queue {
                sender,
                pool,
                hurry,
                by_hand,
            }),
            arguments,
            strict,
        }
    }

    /// A writer for servers without a database: records go to the log, under the target
    /// `watertight::audit`.
    #[must_use]
    pub const fn to_log() -> Self {
        Self {
            to: None,
            arguments: AuditArguments::Names,
            strict: false,
        }
    }

    /// The same, not keeping the task going. `None` without a database.
    pub(super) fn downgrade(&self) -> Option<WeakWriter> {
        let queue = self.to.as_ref()?;
        Some(WeakWriter {
            sender: queue.sender.downgrade(),
            pool: queue.pool.clone(),
            hurry: queue.hurry.clone(),
            arguments: self.arguments,
            strict: self.strict,
        })
    }

    /// What records keep of arguments.
    pub(crate) const fn arguments(&self) -> AuditArguments {
        self.arguments
    }

    /// Whether calls are answered only after their record is stored.
    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// Records the end of a call. Never waits, so it may be called while a future is dropped.
    pub fn record(&self, record: AuditRecord) {
        let Some(queue) = &self.to else {
            log(&record, "recorded");
            return;
        };
        let pending = Message::Record(Pending::new(record, None));
        let why = |error: &TrySendError<Message>| match error {
            TrySendError::Full(_) => "the audit queue is full",
            TrySendError::Closed(_) => "the audit writer has ended",
        };
        if let Err(error) = queue.sender.try_send(pending) {
            let why = why(&error);
            if let Message::Record(pending) = error.into_inner() {
                pending.refuse(why);
            }
        }
    }

    /// Records the end of a call and waits until that is in the table, fifteen seconds at most.
    ///
    /// Dropped while it waits, the record is stored all the same or in the log.
    ///
    /// # Errors
    /// Why it is not in the table, or not yet; in the end the log has what the table has not.
    pub(crate) async fn store(&self, record: AuditRecord) -> Result<(), DbErrorKind> {
        let Some(queue) = &self.to else {
            log(&record, "recorded");
            return Ok(());
        };
        let (stored, answer) = oneshot::channel();
        // Whatever happens to it from here on, a pending record logs itself.
        let message = Message::Record(Pending::new(record, Some(stored)));
        match timeout(QUEUE_LIMIT, queue.sender.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(DbErrorKind::Busy),
        }
        match timeout(STORE_LIMIT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(DbErrorKind::Unavailable),
        }
    }

    /// Records a request that was refused before a tenant was known. It goes to the operator's
    /// log, because there is no tenant whose trail it belongs to.
    ///
    /// `what` must not contain credentials.
    pub fn refused(&self, reference: Reference, what: &str) {
        let kind = "background";
        tracing::warn!(target: "watertight::audit", %reference, outcome = "refused", kind, reason = what, "no tenant");
    }

    /// Waits until everything recorded so far is in the table or, if the database is away, in the
    /// log: ten seconds for all of it, and some more for the anchor. Call it before the program ends.
    pub async fn flush(&self) {
        let Some(queue) = &self.to else { return };
        let (done, written) = oneshot::channel();
        let flush = Flush {
            done,
            hurried: queue.hurry.begin(),
        };
        let flushed = async {
            if queue.sender.send(Message::Flush(flush)).await.is_ok() {
                // An error means that the task is gone, and with it the queue.
                let _ = written.await;
            }
        };
        let _ = timeout(FLUSH_WAIT, flushed).await;
        if let Some(by_hand) = queue.by_hand.upgrade() {
            // Its own writer's flush asks for nobody else's.
            Box::pin(by_hand.flush_beside(self)).await;
        }
    }

    /// Whether both have one queue.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.to, &other.to) {
            (Some(one), Some(other)) => one.sender.same_channel(&other.sender),
            _ => false,
        }
    }

    /// The newest records of the session's tenant, newest first: effects and completions.
    ///
    /// # Errors
    /// As any read of the database. Without a database there are none.
    pub async fn recent(&self, session: &Session, limit: u32) -> DbResult<Vec<AuditEntry>> {
        match &self.to {
            Some(queue) => trail::recent(&queue.pool, session, limit).await,
            None => Ok(Vec::new()),
        }
    }
}

impl WeakWriter {
    /// The writer, if its task goes on.
    pub(super) fn upgrade(&self) -> Option<AuditWriter> {
        Some(AuditWriter {
            to: Some(Queue {
                sender: self.sender.upgrade()?,
                pool: self.pool.clone(),
                hurry: self.hurry.clone(),
                by_hand: Weak::new(),
            }),
            arguments: self.arguments,
            strict: self.strict,
        })
    }
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWriter")
            .field("database", &self.to.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakWriter")
    }
}
