//! How long the writer may try, and who shortens that: a program that wants to end.
//!
//! Invariant: one deadline holds for everything that is queued in front of a flush.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long everything in front of a flush may take together.
pub(super) const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// Shared by the handles of a writer and its task.
#[derive(Clone, Debug, Default)]
pub(super) struct Hurry(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    flushes: usize,
    until: Option<Instant>,
}

/// A flush under way. The hurry ends with the last one that is dropped.
#[derive(Debug)]
pub(super) struct Hurried(Hurry);

impl Hurry {
    /// Somebody waits for the end of the queue.
    pub(super) fn begin(&self) -> Hurried {
        self.0.send_modify(|state| {
            state.flushes += 1;
            state.until.get_or_insert(Instant::now() + FLUSH_LIMIT);
        });
        Hurried(self.clone())
    }

    /// This deadline, or an earlier one if somebody waits.
    pub(super) fn before(&self, deadline: Instant) -> Instant {
        let until = self.0.borrow().until;
        until.map_or(deadline, |until| until.min(deadline))
    }

    /// Waits for that moment, whoever makes it an earlier one meanwhile.
    pub(super) async fn over(&self, deadline: Instant) {
        let mut changes = self.0.subscribe();
        loop {
            tokio::select! {
                () = sleep_until(self.before(deadline)) => return,
                // The sender is in `self`, so this can't fail.
                _ = changes.changed() => {}
            }
        }
    }
}

impl Drop for Hurried {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| {
            state.flushes = state.flushes.saturating_sub(1);
            if state.flushes == 0 {
                state.until = None;
            }
        });
    }
}
