//! Writes completion records in batches, each in its tenant's own transaction.
//!
//! Invariant: a number of a chain is given again only where no attempt can have stored it. What a
//! crash can lose is what is in the queue and in one batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use watertight_audit::{Chain, Completion, Head, Link};

use super::backlog;
use super::chains::Chains;
use super::hurry::{Hurried, Hurry};
use super::options::{AuditLimits, AuditOptions};
use super::pending::Pending;
use super::publisher::Publisher;
use super::trail;
use crate::db::{DbErrorKind, TenantPool};
use crate::id::TenantId;

/// How long a batch is tried again while the database is away, before it goes to the log.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same, while somebody waits for it.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// Tenants whose records are stored at a time: no more than this, and than a quarter of the pool.
const MOST_AT_A_TIME: u32 = 4;

/// What the handles send.
pub(super) enum Message {
    Record(Pending),
    Flush(Flush),
}

/// Somebody waits until everything in front of this is stored.
pub(super) struct Flush {
    pub(super) done: oneshot::Sender<()>,
    pub(super) hurried: Hurried,
}

/// The task behind the handles.
pub(super) struct Task {
    sink: Sink,
    chains: Chains,
    publisher: Option<Publisher>,
    limits: AuditLimits,
    interval: Duration,
    /// When the last batch was stored, in microseconds since 1970.
    clock: i64,
}

/// The way to the table.
struct Sink {
    pool: TenantPool,
    hurry: Hurry,
    keyed: bool,
}

/// One tenant's records, at their places of its chain.
struct Batch {
    tenant: TenantId,
    pending: Vec<Pending>,
    linked: Vec<(Completion, Link)>,
    chain: Chain,
}

/// Why a batch is not known to be stored.
#[derive(Clone, Copy)]
struct Unstored {
    reason: DbErrorKind,
    /// An attempt was sent whose answer is not known.
    doubtful: bool,
}

impl Task {
    pub(super) fn new(pool: TenantPool, options: AuditOptions, hurry: Hurry) -> Self {
        let keyed = options.key.is_some();
        Self {
            chains: Chains::new(options.key),
            sink: Sink { pool, hurry, keyed },
            // Without a key a head proves nothing.
            publisher: options.anchor.filter(|_| keyed).map(Publisher::start),
            limits: options.limits,
            interval: options.publish_every.unwrap_or(AuditOptions::PUBLISH_EVERY),
            clock: 0,
        }
    }

    pub(super) async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        let mut publish_at = Instant::now() + self.interval;
        // Beside this task, which may wait for the database.
        let watched = Arc::new(());
        tokio::spawn(backlog::tell_while(Arc::downgrade(&watched)));
        loop {
            let first = timeout_at(publish_at, receiver.recv()).await;
            if Instant::now() >= publish_at {
                let heads = self.chains.heads();
                self.publish(heads);
                publish_at = Instant::now() + self.interval;
            }
            let first = match first {
                Ok(Some(first)) => first,
                Ok(None) => break,
                Err(_) => continue,
            };
            let (batch, flushes) = self.collect(first, &mut receiver).await;
            let waited_for = !flushes.is_empty() || batch.iter().any(Pending::is_waited_for);
            let patience = match waited_for {
                true => SHORT_PATIENCE,
                false => PATIENCE,
            };
            self.write(batch, Instant::now() + patience).await;
            backlog::tell();
            if !flushes.is_empty() {
                let heads = self.chains.heads();
                self.publish(heads);
                // The anchor may be slow; the next records don't wait for it.
                tokio::spawn(tell(flushes, self.publisher.clone()));
            }
        }
        let heads = self.chains.heads();
        self.publish(heads);
    }

    /// What is written together with the first record: what comes within the delay, or what is
    /// there already if somebody waits.
    async fn collect(
        &self,
        first: Message,
        receiver: &mut mpsc::Receiver<Message>,
    ) -> (Vec<Pending>, Vec<Flush>) {
        let most = self.limits.batch.max(1);
        let (mut batch, mut flushes) = (Vec::new(), Vec::new());
        let mut deadline = Instant::now() + self.limits.delay;
        let mut next = Some(first);
        loop {
            match next {
                Some(Message::Record(pending)) => {
                    if pending.is_waited_for() {
                        deadline = Instant::now();
                    }
                    batch.push(pending);
                }
                Some(Message::Flush(flush)) => flushes.push(flush),
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

    async fn write(&mut self, pending: Vec<Pending>, deadline: Instant) {
        let mut by_tenant: HashMap<TenantId, Vec<Pending>> = HashMap::new();
        for pending in pending {
            let tenant = pending.record.tenant.clone();
            by_tenant.entry(tenant).or_default().push(pending);
        }
        // Never back, so that what is given up later by time is the beginning of each chain.
        self.clock = self.clock.max(chrono::Utc::now().timestamp_micros());
        let batches: Vec<_> = by_tenant
            .into_iter()
            .map(|(tenant, pending)| self.link(tenant, pending))
            .collect();
        let mut alone = Vec::new();
        let at_a_time = self.sink.pool.most_connections() / 4;
        let at_a_time = at_a_time.clamp(1, MOST_AT_A_TIME) as usize;
        let sink = &self.sink;
        let mut sending = futures_util::stream::iter(batches)
            .map(|batch| async move {
                let result = sink.send(&batch, deadline).await;
                (batch, result)
            })
            .buffer_unordered(at_a_time);
        let mut heads = Vec::new();
        while let Some((batch, result)) = sending.next().await {
            let several = batch.pending.len() > 1;
            match result {
                // One record that the database does not accept must not take the others with it.
                Err(unstored) if several && !unstored.doubtful && !is_away(unstored.reason) => {
                    alone.push((batch.tenant, batch.pending));
                }
                result => heads.extend(settle(&mut self.chains, batch, result)),
            }
        }
        drop(sending);
        for (tenant, pending) in alone {
            for pending in pending {
                let batch = self.link(tenant.clone(), vec![pending]);
                let result = self.sink.send(&batch, deadline).await;
                heads.extend(settle(&mut self.chains, batch, result));
            }
        }
        self.publish(heads);
    }

    fn link(&self, tenant: TenantId, pending: Vec<Pending>) -> Batch {
        let records = pending
            .iter()
            .map(|pending| trail::completion(&pending.record, self.clock));
        let (linked, chain) = self.chains.link(&tenant, records);
        Batch {
            tenant,
            linked,
            chain,
            pending,
        }
    }

    /// To the log, and to the anchor.
    fn publish(&self, heads: Vec<Head>) {
        if heads.is_empty() || !self.sink.keyed {
            return;
        }
        for head in &heads {
            tracing::info!(
                target: "watertight::audit::heads",
                tenant = head.tenant, writer = head.writer, seq = head.seq, mac = %head.mac, "head"
            );
        }
        if let Some(publisher) = &self.publisher {
            publisher.publish(heads);
        }
    }
}

/// Tells whoever waits, and returns the heads that are to be published at once.
fn settle(chains: &mut Chains, batch: Batch, result: Result<(), Unstored>) -> Vec<Head> {
    let heads = match result {
        Ok(()) => chains.keep(&batch.tenant, batch.chain),
        // The server may have stored them and lost its answer. Their places are not given again, so
        // that nothing can look like tampering.
        Err(unstored) if unstored.doubtful => chains.give_up(&batch.tenant).into_iter().collect(),
        Err(_) => Vec::new(),
    };
    let result = result.map_err(|unstored| unstored.reason);
    for pending in batch.pending {
        pending.settle(result);
    }
    heads
}

/// Everything in front of a flush is stored; what it published is waited for as well.
async fn tell(flushes: Vec<Flush>, publisher: Option<Publisher>) {
    if let Some(publisher) = publisher {
        publisher.settled().await;
    }
    for Flush { done, hurried } in flushes {
        drop(hurried);
        // Whoever waited may have given up.
        let _ = done.send(());
    }
}

impl Sink {
    /// Inserts in one round trip, trying again while the database is away.
    async fn send(&self, batch: &Batch, deadline: Instant) -> Result<(), Unstored> {
        let sql = trail::insert(&batch.linked, self.keyed);
        let mut pause = Duration::from_millis(50);
        let mut unstored = Unstored {
            reason: DbErrorKind::Unavailable,
            doubtful: false,
        };
        while Instant::now() < self.hurry.before(deadline) {
            let answer = tokio::select! {
                answer = self.pool.run_as(&batch.tenant, &sql) => answer,
                () = self.hurry.over(deadline) => {
                    unstored.doubtful = true;
                    return Err(unstored);
                }
            };
            let Err(error) = answer else { return Ok(()) };
            tracing::debug!(target: "watertight::audit", cause = error.told(), "insert failed");
            unstored.reason = error.kind();
            if !is_away(unstored.reason) {
                break;
            }
            unstored.doubtful = true;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.hurry.over(deadline) => break,
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        Err(unstored)
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
