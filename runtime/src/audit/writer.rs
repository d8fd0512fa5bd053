//! Writes completion records in batches, each in its tenant's own transaction.
//!
//! Invariant: recording never fails and never waits. A record is in the queue, in the table, or,
//! if neither is possible, in the log. What a crash can lose is what was recorded within
//! [`AuditLimits::delay`] and the time of one batch.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::record::AuditRecord;
use super::trail::{self, AuditEntry};
use crate::db::{DbErrorKind, DbResult, TenantPool};
use crate::error::Reference;
use crate::id::TenantId;
use crate::session::Session;

/// How long a batch is tried again while the database is away, before it goes to the log.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same, while somebody waits for a flush.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// How completion records are collected.
#[derive(Clone, Copy, Debug)]
pub struct AuditLimits {
    /// The longest that a record waits for others (200 ms). What a crash may lose.
    pub delay: Duration,
    /// The most records that are written at a time (256).
    pub batch: usize,
    /// The most records that wait (8192). Those that find the queue full go to the log.
    pub queue: usize,
}

impl Default for AuditLimits {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(200),
            batch: 256,
            queue: 8192,
        }
    }
}

/// The handle by which completed calls are recorded. Cheap to clone; all clones share one queue.
#[derive(Clone)]
pub struct AuditWriter {
    to: Option<(mpsc::Sender<Message>, TenantPool)>,
}

enum Message {
    Record(Box<AuditRecord>),
    Flush(oneshot::Sender<()>),
}

impl AuditWriter {
    /// Starts the task that writes records through `pool`. It ends when the last handle is dropped,
    /// after having written what was recorded.
    #[must_use]
    pub fn start(pool: TenantPool, limits: AuditLimits) -> Self {
        let (sender, receiver) = mpsc::channel(limits.queue.max(1));
        tokio::spawn(run(pool.clone(), receiver, limits));
        Self {
            to: Some((sender, pool)),
        }
    }

    /// A writer for servers without a database: records go to the log, under the target
    /// `watertight::audit`.
    #[must_use]
    pub const fn to_log() -> Self {
        Self { to: None }
    }

    /// Records the end of a call. Never waits, so it may be called while a future is dropped.
    pub fn record(&self, record: AuditRecord) {
        let Some((sender, _)) = &self.to else {
            log(&record, "recorded");
            return;
        };
        let unsent = match sender.try_send(Message::Record(Box::new(record))) {
            Ok(()) => return,
            Err(
                mpsc::error::TrySendError::Full(message)
                | mpsc::error::TrySendError::Closed(message),
            ) => message,
        };
        if let Message::Record(record) = unsent {
            log(&record, "the audit queue is full");
        }
    }

    /// Records a request that was refused before a tenant was known. It goes to the operator's
    /// log, because there is no tenant whose trail it belongs to.
    ///
    /// `what` must not contain credentials.
    pub fn refused(&self, reference: Reference, what: &str) {
        tracing::warn!(target: "watertight::audit", %reference, outcome = "refused", what, "no tenant");
    }

    /// Waits until everything recorded so far is in the table or, if the database is away, in the
    /// log. Call it before the program ends.
    pub async fn flush(&self) {
        let Some((sender, _)) = &self.to else { return };
        let (done, written) = oneshot::channel();
        if sender.send(Message::Flush(done)).await.is_ok() {
            // An error means that the task is gone, and with it the queue.
            let _ = written.await;
        }
    }

    /// The newest records of the session's tenant, newest first: effects and completions.
    ///
    /// # Errors
    /// As any read of the database. Without a database there are none.
    pub async fn recent(&self, session: &Session, limit: u32) -> DbResult<Vec<AuditEntry>> {
        match &self.to {
            Some((_, pool)) => trail::recent(pool, session, limit).await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWriter")
            .field("database", &self.to.is_some())
            .finish()
    }
}

async fn run(pool: TenantPool, mut receiver: mpsc::Receiver<Message>, limits: AuditLimits) {
    let most = limits.batch.max(1);
    while let Some(first) = receiver.recv().await {
        let mut batch = Vec::new();
        let mut flushes = Vec::new();
        let deadline = Instant::now() + limits.delay;
        let mut next = Some(first);
        loop {
            match next {
                Some(Message::Record(record)) => batch.push(*record),
                Some(Message::Flush(done)) => flushes.push(done),
                None => break,
            }
            if !flushes.is_empty() || batch.len() >= most {
                break;
            }
            // A time-out or a closed queue: write what there is.
            next = timeout_at(deadline, receiver.recv()).await.ok().flatten();
        }
        let patience = if flushes.is_empty() {
            PATIENCE
        } else {
            FLUSH_PATIENCE
        };
        write(&pool, batch, patience).await;
        for done in flushes {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

async fn write(pool: &TenantPool, batch: Vec<AuditRecord>, patience: Duration) {
    let mut by_tenant: HashMap<TenantId, Vec<AuditRecord>> = HashMap::new();
    for record in batch {
        by_tenant
            .entry(record.tenant.clone())
            .or_default()
            .push(record);
    }
    let deadline = Instant::now() + patience;
    for (tenant, records) in by_tenant {
        let Err(reason) = insert(pool, &tenant, &records, deadline).await else {
            continue;
        };
        if records.len() == 1 || is_away(reason) {
            records
                .iter()
                .for_each(|record| log(record, reason.as_str()));
            continue;
        }
        // One record that the database does not accept must not take the others with it.
        for record in records {
            if let Err(reason) =
                insert(pool, &tenant, std::slice::from_ref(&record), deadline).await
            {
                log(&record, reason.as_str());
            }
        }
    }
}

/// Inserts in one round trip, trying again while the database is away.
async fn insert(
    pool: &TenantPool,
    tenant: &TenantId,
    records: &[AuditRecord],
    deadline: Instant,
) -> Result<(), DbErrorKind> {
    let sql = trail::insert(records);
    let mut pause = Duration::from_millis(50);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = timeout(
            left.max(Duration::from_millis(1)),
            pool.run_as(tenant, &sql),
        )
        .await;
        let kind = match answer {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(target: "watertight::audit", cause = error.told(), "insert failed");
                error.kind()
            }
            Err(_) => DbErrorKind::Unavailable,
        };
        if !is_away(kind) || Instant::now() + pause >= deadline {
            return Err(kind);
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

const fn is_away(kind: DbErrorKind) -> bool {
    matches!(
        kind,
        DbErrorKind::Unavailable
            | DbErrorKind::Busy
            | DbErrorKind::Timeout
            | DbErrorKind::Serialization
    )
}

/// The last resort: the operator's log has the record, and says why the table has not.
fn log(record: &AuditRecord, why: &str) {
    tracing::warn!(
        target: "watertight::audit",
        tenant = %record.tenant.as_setting(),
        reference = record.reference,
        at = %record.at.to_rfc3339(),
        tool = record.tool,
        issuer = record.issuer,
        subject = record.subject,
        client = record.client,
        arguments = record.arguments.join(","),
        outcome = record.outcome.as_str(),
        error = record.error,
        rows = record.rows,
        duration_us = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
        protocol = record.protocol,
        probe = record.probe,
        why,
        "call"
    );
}
