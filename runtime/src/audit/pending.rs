//! A record on its way to the table.
//!
//! Invariant: it ends in the table or in the log. One that is dropped on its way (a full queue, a
//! caller that goes away, a runtime that ends) is logged when it is dropped.

use tokio::sync::oneshot;

use super::backlog::{self, Waits};
use super::record::AuditRecord;
use crate::db::DbErrorKind;

/// Told when a record is in the table, or why it is not.
pub(super) type Stored = oneshot::Sender<Result<(), DbErrorKind>>;

/// A record that is in the queue or in a batch, and who waits for it.
pub(super) struct Pending {
    pub(super) record: Box<AuditRecord>,
    stored: Option<Stored>,
    settled: bool,
    _waits: Waits,
}

impl Pending {
    pub(super) fn new(record: AuditRecord, stored: Option<Stored>) -> Self {
        Self {
            record: Box::new(record),
            stored,
            settled: false,
            _waits: Waits::begin(),
        }
    }

    /// Whether somebody waits for it.
    pub(super) const fn is_waited_for(&self) -> bool {
        self.stored.is_some()
    }

    /// It is in the table, or goes to the log.
    pub(super) fn settle(mut self, result: Result<(), DbErrorKind>) {
        if let Err(reason) = result {
            give_up(&self.record, reason.as_str());
        }
        self.settled = true;
        if let Some(stored) = self.stored.take() {
            // Whoever waited may have given up.
            let _ = stored.send(result);
        }
    }

    /// It goes to the log, because of this.
    pub(super) fn refuse(mut self, why: &str) {
        give_up(&self.record, why);
        self.settled = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.settled {
            give_up(&self.record, "given up before it was stored");
        }
    }
}

/// The log has what the table should have had.
fn give_up(record: &AuditRecord, why: &str) {
    backlog::lost_to_log();
    log(record, why);
}

/// The last resort: the operator's log has the record, and says why the table has not.
pub(super) fn log(record: &AuditRecord, why: &str) {
    tracing::warn!(
        target: "watertight::audit",
        tenant = %record.tenant.as_setting(),
        reference = record.reference,
        at = %record.at.to_rfc3339(),
        tool = record.tool,
        issuer = record.issuer,
        subject = record.subject,
        client = record.client,
        agent = record.agent,
        arguments = record.arguments.as_ref().map(tracing::field::display),
        outcome = record.outcome.as_str(),
        error = record.error,
        rows = record.rows,
        duration_us = u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
        protocol = record.protocol,
        probe = record.probe,
        effects = record.effects,
        uncertain = record.uncertain,
        why,
        "call"
    );
}
