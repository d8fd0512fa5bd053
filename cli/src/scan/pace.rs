//! How far and how fast: requests in all, seconds in all, requests in a second.
//!
//! Invariant: no request is sent without having asked here, and a limit that was reached stays reached.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::args::Limits;
use super::wire::Failure;

/// Shared by all identities.
#[derive(Debug)]
pub(crate) struct Pace {
    calls: AtomicU64,
    max_calls: u64,
    end: Instant,
    each: Duration,
    /// How far a burst may run ahead.
    ahead: Duration,
    /// When the next request is due.
    next: Mutex<Instant>,
    pub(crate) timeout: Duration,
    pub(crate) max_bytes: usize,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        let each = Duration::from_secs(1) / limits.rate.max(1);
        let burst = u32::try_from(limits.concurrency).unwrap_or(1).max(1);
        Self {
            calls: AtomicU64::new(0),
            max_calls: limits.max_calls,
            // A year is without end, and an instant that can't be told would be a panic.
            end: now + Duration::from_secs(limits.max_time.min(31_536_000)),
            each,
            ahead: each * burst,
            next: Mutex::new(now),
            timeout: Duration::from_secs(limits.timeout.clamp(1, 86_400)),
            max_bytes: limits.max_bytes.max(1024),
        }
    }

    /// Waits until a request may be sent.
    pub(crate) async fn wait(&self) -> Result<(), Failure> {
        let due = {
            let mut next = self.next.lock().await;
            let earliest = Instant::now().checked_sub(self.ahead);
            let due = earliest.map_or(*next, |earliest| (*next).max(earliest));
            *next = due + self.each;
            due
        };
        if due.max(Instant::now()) >= self.end {
            return Err(Failure::Limit("--max-time"));
        }
        tokio::time::sleep_until(due).await;
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.max_calls {
            self.calls.fetch_sub(1, Ordering::Relaxed);
            return Err(Failure::Limit("--max-calls"));
        }
        Ok(())
    }

    /// Waits as a busy server asks, if there is time.
    pub(crate) async fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        if until >= self.end {
            return false;
        }
        // Everybody waits: the server is busy for all of us.
        {
            let mut next = self.next.lock().await;
            *next = (*next).max(until);
        }
        tokio::time::sleep_until(until).await;
        true
    }

    /// Which limit is reached.
    pub(crate) fn reached(&self) -> Option<&'static str> {
        if self.calls() >= self.max_calls {
            return Some("--max-calls");
        }
        (Instant::now() >= self.end).then_some("--max-time")
    }

    /// The requests so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
