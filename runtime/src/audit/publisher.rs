//! Hands heads to the anchor, in a task of its own.
//!
//! Invariant: whoever publishes never waits. While the anchor hangs or fails, of each chain the
//! latest head is kept and published when it answers again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};
use watertight_audit::Head;

use super::anchor::AuditAnchor;

/// How long an anchor may take before that is told, and before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// To the task. Dropping the last one ends it, after a last attempt.
#[derive(Clone)]
pub(super) struct Publisher(mpsc::UnboundedSender<Order>);

enum Order {
    Publish(Vec<Head>),
    /// Tell when there is nothing left to publish, or the anchor does not take it.
    Settle(oneshot::Sender<()>),
}

impl Publisher {
    pub(super) fn start(anchor: Arc<dyn AuditAnchor>) -> Self {
        let (orders, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Task::new(anchor).run(inbox));
        Self(orders)
    }

    pub(super) fn publish(&self, heads: Vec<Head>) {
        // It can't have ended before its last handle.
        let _ = self.0.send(Order::Publish(heads));
    }

    /// Waits until all of it is published, or the anchor was given its time.
    pub(super) async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        let _ = self.0.send(Order::Settle(done));
        let _ = settled.await;
    }
}

struct Task {
    anchor: Arc<dyn AuditAnchor>,
    /// The latest of each chain that are not published.
    heads: HashMap<(String, String), Head>,
    waiting: Vec<oneshot::Sender<()>>,
    running: Option<Attempt>,
    /// The last attempt failed: the next one comes with the next order.
    failed: bool,
}

struct Attempt {
    handle: JoinHandle<(Vec<Head>, io::Result<()>)>,
    /// When it is told that the anchor hangs; `None` once it is.
    tell_at: Option<Instant>,
}

impl Task {
    fn new(anchor: Arc<dyn AuditAnchor>) -> Self {
        Self {
            anchor,
            heads: HashMap::new(),
            waiting: Vec::new(),
            running: None,
            failed: false,
        }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut open = true;
        while open || self.running.is_some() || self.is_due() {
            if self.running.is_none() && self.is_due() {
                self.begin();
            }
            tokio::select! {
                order = inbox.recv(), if open => match order {
                    Some(order) => self.take(order),
                    None => open = false,
                },
                ended = ended(&mut self.running) => {
                    match ended {
                        Some(result) => self.ended(result),
                        None => self.hangs(),
                    }
                    if !open && self.running.as_ref().is_some_and(|it| it.tell_at.is_none()) {
                        return;
                    }
                }
            }
            if self.running.is_none() && !self.is_due() {
                self.tell();
            }
        }
    }

    fn is_due(&self) -> bool {
        !self.heads.is_empty() && !self.failed
    }

    fn take(&mut self, order: Order) {
        self.failed = false;
        match order {
            Order::Publish(heads) => self.keep(heads),
            Order::Settle(done) => {
                self.waiting.push(done);
                if self.running.as_ref().is_some_and(|it| it.tell_at.is_none()) {
                    // It has hung for long enough.
                    self.tell();
                }
            }
        }
    }

    fn keep(&mut self, heads: Vec<Head>) {
        for head in heads {
            let chain = (head.tenant.clone(), head.writer.clone());
            let kept = self.heads.entry(chain).or_insert_with(|| head.clone());
            if kept.seq < head.seq {
                *kept = head;
            }
        }
    }

    /// On a thread where it may wait. There is one attempt at a time, so that an anchor that hangs
    /// holds one thread.
    fn begin(&mut self) {
        let heads: Vec<Head> = self.heads.drain().map(|(_, head)| head).collect();
        let anchor = Arc::clone(&self.anchor);
        self.running = Some(Attempt {
            handle: tokio::task::spawn_blocking(move || {
                let result = anchor.publish(&heads);
                (heads, result)
            }),
            tell_at: Some(Instant::now() + PATIENCE),
        });
    }

    fn ended(&mut self, result: Result<(Vec<Head>, io::Result<()>), JoinError>) {
        self.running = None;
        match result {
            Ok((_, Ok(()))) => {}
            Ok((heads, Err(error))) => {
                tracing::error!(target: "watertight::audit", %error, "the heads of the audit trail could not be published");
                self.failed = true;
                self.keep(heads);
            }
            Err(error) => {
                tracing::error!(target: "watertight::audit", %error, "the anchor of the audit trail panicked");
            }
        }
    }

    fn hangs(&mut self) {
        tracing::error!(target: "watertight::audit", "the anchor of the audit trail does not answer; heads wait for it");
        self.tell();
    }

    fn tell(&mut self) {
        for done in self.waiting.drain(..) {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

/// The end of the attempt, or `None` when it is time to say that there is none.
async fn ended(
    running: &mut Option<Attempt>,
) -> Option<Result<(Vec<Head>, io::Result<()>), JoinError>> {
    let Some(attempt) = running else {
        return std::future::pending().await;
    };
    let late = async {
        match attempt.tell_at {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        result = &mut attempt.handle => Some(result),
        () = late => {
            attempt.tell_at = None;
            None
        }
    }
}
