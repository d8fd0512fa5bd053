//! The record of a call that leaves no other: of what is not ours behind the guard, and of what the
//! guard refuses once it knows whose request it is.
//!
//! Invariant: a call has one record. Whoever serves a call says so before, and then this one is silent.

use std::sync::Arc;
use std::time::Instant;

use super::refusal::Refusal;
use crate::audit::{AuditRecord, Outcome, Work};
use crate::error::ToolErrorKind;
use crate::server::caller::{Caller, ServerState};
use crate::session::Session;

/// Dropped at the end of the answer, it is recorded.
pub(super) struct Unrecorded {
    state: Arc<ServerState>,
    work: Arc<Work>,
    session: Session,
    record: Option<AuditRecord>,
    begun: Instant,
}

impl Unrecorded {
    pub(super) fn new(caller: &Caller, name: String, outcome: Outcome) -> Self {
        let mut record = AuditRecord::of_session(caller.session(), caller.reference(), &name);
        record.outcome = outcome;
        Self {
            state: Arc::clone(caller.state()),
            work: Arc::clone(caller.work()),
            session: caller.session().clone(),
            record: Some(record),
            begun: Instant::now(),
        }
    }

    pub(super) fn ended(&mut self, outcome: Outcome) {
        if let Some(record) = &mut self.record {
            record.outcome = outcome;
        }
    }

    pub(super) fn denied(mut self, refusal: &Refusal) {
        let denied = matches!(refusal, Refusal::Scopes(_) | Refusal::NoSuchSession(_));
        if let (true, Some(record)) = (denied, &mut self.record) {
            record.error = Some(ToolErrorKind::Denied.as_str().to_owned());
        }
    }
}

impl Drop for Unrecorded {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        if self.work.is_recorded() {
            return;
        }
        (record.ordinals, record.effects, record.uncertain) = self.work.effects();
        // A flood of calls is no flood of records; what changed data is always recorded.
        let changed = record.effects > 0 || record.uncertain > 0;
        let told = match self.state.admit(&self.session) {
            Ok(()) => true,
            Err(refused) => refused.tell,
        };
        if !changed && !told {
            return;
        }
        record.rows = self.work.rows();
        record.duration = self.begun.elapsed();
        self.state.audit().record(record);
    }
}
