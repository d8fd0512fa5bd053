//! Writes completion records in batches, each in its tenant's own transaction.
//!
//! Invariant: recording never fails and never waits. A record is in the queue, in the table, or,
//! if neither is possible, in the log. What a crash can lose is what was recorded within
//! [`AuditLimits::delay`] and the time of one batch.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use watertight_audit::{Completion, Head, Link};

use super::anchor::AuditAnchor;
use super::chains::Chains;
use super::options::{AuditArguments, AuditLimits, AuditOptions};
use super::record::AuditRecord;
use super::trail::{self, AuditEntry};
use crate::db::{DbErrorKind, DbResult, TenantPool};
use crate::error::Reference;
use crate::id::TenantId;
use crate::session::Session;

/// How long a batch is tried again while the database is away, before it goes to the log.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same, while somebody waits for it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

/// The handle by which completed calls are recorded. Cheap to clone; all clones share one queue.
#[derive(Clone)]
pub struct AuditWriter {
    to: Option<(mpsc::Sender<Message>, TenantPool)>,
    arguments: AuditArguments,
    strict: bool,
}

enum Message {
    Record(Box<AuditRecord>, Option<Stored>),
    Flush(oneshot::Sender<()>),
}

/// Told when a record is in the table, or why it is not.
type Stored = oneshot::Sender<Result<(), DbErrorKind>>;

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
        let (sender, receiver) = mpsc::channel(options.limits.queue.max(1));
        let (arguments, strict) = (options.arguments, options.strict);
        let writer = Writer {
            pool: pool.clone(),
            chains: Chains::new(options.key),
            anchor: options.anchor.clone(),
            limits: options.limits,
            clock: 0,
        };
        let interval = options.publish_every.unwrap_or(AuditOptions::PUBLISH_EVERY);
        tokio::spawn(writer.run(receiver, interval));
        Self {
            to: Some((sender, pool)),
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
        let Some((sender, _)) = &self.to else {
            log(&record, "recorded");
            return;
        };
        let unsent = match sender.try_send(Message::Record(Box::new(record), None)) {
            Ok(()) => return,
            Err(
                mpsc::error::TrySendError::Full(message)
                | mpsc::error::TrySendError::Closed(message),
            ) => message,
        };
        if let Message::Record(record, _) = unsent {
            log(&record, "the audit queue is full");
        }
    }

    /// Records the end of a call and waits until that is in the table.
    ///
    /// # Errors
    /// Why it is not; then the log has it.
    pub(crate) async fn store(&self, record: AuditRecord) -> Result<(), DbErrorKind> {
        let Some((sender, _)) = &self.to else {
            log(&record, "recorded");
            return Ok(());
        };
        let (stored, answer) = oneshot::channel();
        let message = Message::Record(Box::new(record), Some(stored));
        match timeout(FLUSH_PATIENCE, sender.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(DbErrorKind::Busy),
        }
        answer.await.unwrap_or(Err(DbErrorKind::Unavailable))
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
            .finish_non_exhaustive()
    }
}

/// The task behind the handles.
struct Writer {
    pool: TenantPool,
    chains: Chains,
    anchor: Option<Arc<dyn AuditAnchor>>,
    limits: AuditLimits,
    /// When the last batch was stored, in microseconds since 1970.
    clock: i64,
}

/// A record, and who waits for it.
type Waiting = (AuditRecord, Option<Stored>);

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Message>, interval: Duration) {
        let mut publish_at = Instant::now() + interval;
        loop {
            let first = timeout_at(publish_at, receiver.recv()).await;
            if Instant::now() >= publish_at {
                let heads = self.chains.heads();
                self.publish(heads).await;
                publish_at = Instant::now() + interval;
            }
            let first = match first {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => continue,
            };
            let (batch, flushes) = self.collect(first, &mut receiver).await;
            let waited_for = !flushes.is_empty() || batch.iter().any(|(_, who)| who.is_some());
            let patience = match waited_for {
                true => FLUSH_PATIENCE,
                false => PATIENCE,
            };
            self.write(batch, patience).await;
            if !flushes.is_empty() {
                let heads = self.chains.heads();
                self.publish(heads).await;
            }
            for done in flushes {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
        let heads = self.chains.heads();
        self.publish(heads).await;
    }

    /// What is written together with the first record: what comes within the delay, or what is
    /// there already if somebody waits.
    async fn collect(
        &self,
        first: Message,
        receiver: &mut mpsc::Receiver<Message>,
    ) -> (Vec<Waiting>, Vec<oneshot::Sender<()>>) {
        let most = self.limits.batch.max(1);
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        let mut deadline = Instant::now() + self.limits.delay;
        let mut next = Some(first);
        loop {
            match next {
                Some(Message::Record(record, stored)) => {
                    if stored.is_some() {
                        deadline = Instant::now();
                    }
                    batch.push((*record, stored));
                }
                Some(Message::Flush(done)) => flushes.push(done),
                None => break,
            }
            if !flushes.is_empty() || batch.len() >= most {
                break;
            }
            // A time-out or a closed queue: write what there is.
            next = match receiver.try_recv() {
                Ok(message) => Some(message),
                Err(_) => timeout_at(deadline, receiver.recv()).await.ok().flatten(),
            };
        }
        (batch, flushes)
    }

    async fn write(&mut self, batch: Vec<Waiting>, patience: Duration) {
        let mut by_tenant: HashMap<TenantId, Vec<Waiting>> = HashMap::new();
        for waiting in batch {
            by_tenant
                .entry(waiting.0.tenant.clone())
                .or_default()
                .push(waiting);
        }
        let deadline = Instant::now() + patience;
        for (tenant, mut records) in by_tenant {
            let reason = match self.insert(&tenant, &records, deadline).await {
                Ok(()) => {
                    records.iter_mut().for_each(|waiting| tell(waiting, Ok(())));
                    continue;
                }
                Err(reason) => reason,
            };
            // One record that the database does not accept must not take the others with it.
            let alone = records.len() == 1 || is_away(reason);
            for mut waiting in records {
                let result = match alone {
                    true => Err(reason),
                    false => {
                        self.insert(&tenant, std::slice::from_ref(&waiting), deadline)
                            .await
                    }
                };
                tell(&mut waiting, result);
            }
        }
    }

    /// Inserts at the next places of the tenant's chain, in one round trip, trying again while the
    /// database is away.
    async fn insert(
        &mut self,
        tenant: &TenantId,
        records: &[Waiting],
        deadline: Instant,
    ) -> Result<(), DbErrorKind> {
        // Never back, so that what is given up later by time is the beginning of each chain.
        self.clock = self.clock.max(chrono::Utc::now().timestamp_micros());
        let now = self.clock;
        let records = records
            .iter()
            .map(|(record, _)| trail::completion(record, now));
        let (linked, chain) = self.chains.link(tenant, records);
        match self.send(tenant, &linked, deadline).await {
            Ok(()) => {
                let given_up = self.chains.keep(tenant, chain);
                self.publish(given_up).await;
                Ok(())
            }
            Err(reason) => {
                // The server may have stored them and lost its answer. Their places are not given
                // again, so that nothing can look like tampering.
                if is_away(reason)
                    && let Some(head) = self.chains.give_up(tenant)
                {
                    self.publish(vec![head]).await;
                }
                Err(reason)
            }
        }
    }

    async fn send(
        &self,
        tenant: &TenantId,
        records: &[(Completion, Link)],
        deadline: Instant,
    ) -> Result<(), DbErrorKind> {
        let sql = trail::insert(records, self.chains.keyed());
        let mut pause = Duration::from_millis(50);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = timeout(
                left.max(Duration::from_millis(1)),
                self.pool.run_as(tenant, &sql),
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

    /// To the log, and to the anchor. Without a key a head proves nothing.
    async fn publish(&self, heads: Vec<Head>) {
        if heads.is_empty() || !self.chains.keyed() {
            return;
        }
        for head in &heads {
            tracing::info!(
                target: "watertight::audit::heads",
                tenant = head.tenant, writer = head.writer, seq = head.seq, mac = %head.mac, "head"
            );
        }
        let Some(anchor) = self.anchor.clone() else {
            return;
        };
        let published = tokio::task::spawn_blocking(move || anchor.publish(&heads)).await;
        match published {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(target: "watertight::audit", %error, "the heads of the audit trail could not be published");
            }
            Err(error) => {
                tracing::error!(target: "watertight::audit", %error, "the anchor of the audit trail panicked");
            }
        }
    }
}

/// Tells whoever waits; what is not in the table goes to the log.
fn tell((record, stored): &mut Waiting, result: Result<(), DbErrorKind>) {
    if let Err(reason) = result {
        log(record, reason.as_str());
    }
    if let Some(stored) = stored.take() {
        // Whoever waited may have given up.
        let _ = stored.send(result);
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
        arguments = record.arguments.as_ref().map(tracing::field::display),
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
