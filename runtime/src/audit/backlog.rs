//! What waits for the table: how many records of this process, and since when.
//!
//! Invariant: a record is counted from the moment at which it is handed over until it is in the table or in
//! the log. Whoever looks never waits, and a writer that hangs is looked at all the same.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use metrics::{counter, gauge};

/// How often the gauges are set.
const EVERY: Duration = Duration::from_secs(1);

/// Of all writers of the process: the number tells apart what came at once.
static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    since: BTreeSet::new(),
    next: 0,
});

struct Waiting {
    since: BTreeSet<(Instant, u64)>,
    next: u64,
}

fn waiting<T>(with: impl FnOnce(&mut Waiting) -> T) -> T {
    // A panic while holding it can't have left anything in it half done.
    with(&mut WAITING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A record that waits. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Waits((Instant, u64));

impl Waits {
    pub(super) fn begin() -> Self {
        waiting(|waiting| {
            let place = (Instant::now(), waiting.next);
            waiting.next = waiting.next.wrapping_add(1);
            waiting.since.insert(place);
            Self(place)
        })
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        waiting(|waiting| waiting.since.remove(&self.0));
    }
}

/// One more record that the log has and the table has not.
pub(super) fn lost_to_log() {
    counter!("watertight_audit_records_in_log_total").increment(1);
}

/// Sets the gauges now.
pub(super) fn tell() {
    let (records, oldest) = waiting(|waiting| {
        let oldest = waiting.since.first().map(|(since, _)| since.elapsed());
        (waiting.since.len(), oldest)
    });
    // Gauges are floating-point numbers; that many records there never are.
    gauge!("watertight_audit_waiting_records").set(u32::try_from(records).unwrap_or(u32::MAX));
    let seconds = oldest.unwrap_or_default().as_secs_f64();
    gauge!("watertight_audit_oldest_record_seconds").set(seconds);
}

/// Sets the gauges now and then, for as long as a writer's task holds what this looks at.
pub(super) async fn tell_while<T>(writer: Weak<T>) {
    while writer.strong_count() > 0 {
        tell();
        tokio::time::sleep(EVERY).await;
    }
    tell();
}
