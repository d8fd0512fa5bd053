//! The record of a call that leaves no other: of what is not ours behind the guard, and of what the
//! guard refuses once it knows whose request it is.
//!
//! Invariant: a call has one record. Whoever serves a call says so before, and then this one is silent.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use serde_json::Value;

use super::refusal::Refusal;
use crate::audit::{AuditRecord, Outcome, Work, kept, shortened};
use crate::error::ToolErrorKind;
use crate::server::caller::{Caller, ServerState};
use crate::session::Session;

/// Names come from clients, and wait in a queue.
const LONGEST_NAME: usize = 256;
/// Where requests of 2026-07-28 say who sends them, and in which version.
const AGENT: &str = "io.modelcontextprotocol/clientInfo";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Dropped at the end of the answer, it is recorded.
pub(super) struct Unrecorded {
    state: Arc<ServerState>,
    work: Arc<Work>,
    session: Session,
    record: Option<AuditRecord>,
    /// The call itself. What is kept of it is read from it in the end, and only then.
    body: Bytes,
    /// Whether it is to be told, if that was found out before.
    told: Option<bool>,
    begun: Instant,
}

impl Unrecorded {
    pub(super) fn new(caller: &Caller, name: &str, outcome: Outcome) -> Self {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let mut record = AuditRecord::of_session(caller.session(), caller.reference(), &name);
        record.outcome = outcome;
        Self {
            state: Arc::clone(caller.state()),
            work: Arc::clone(caller.work()),
            session: caller.session().clone(),
            record: Some(record),
            body: Bytes::new(),
            told: None,
            begun: Instant::now(),
        }
    }

    /// The same for this message, in the version that the request's header names.
    pub(super) fn of(mut self, body: Bytes, version: Option<&str>) -> Self {
        self.body = body;
        if let Some(record) = &mut self.record {
            record.protocol = version.map(shortened);
        }
        self
    }

    pub(super) fn ended(&mut self, outcome: Outcome) {
        if let Some(record) = &mut self.record {
            record.outcome = outcome;
        }
    }

    /// A message that leaves. The one that answers the call says how it ended; HTTP's status says no more
    /// than that there is an answer.
    pub(super) fn sees(&mut self, message: &[u8]) {
        if self.work.is_recorded() {
            return;
        }
        let Ok(message) = serde_json::from_slice::<Value>(message) else {
            return;
        };
        let error = message.pointer("/result/isError") == Some(&Value::Bool(true));
        match (message.get("result"), message.get("error")) {
            (Some(_), _) if !error => self.ended(Outcome::Ok),
            (None, None) => {}
            _ => self.ended(Outcome::Failed),
        }
    }

    pub(super) fn denied(mut self, refusal: &Refusal) {
        let denied = matches!(refusal, Refusal::Scopes(_) | Refusal::NoSuchSession(_));
        let mut error = denied.then_some(ToolErrorKind::Denied);
        if let Refusal::TooManySessions(refused) = refusal {
            self.told = Some(refused.tell);
            error = Some(ToolErrorKind::Busy);
        }
        if let (Some(error), Some(record)) = (error, &mut self.record) {
            record.error = Some(error.as_str().to_owned());
        }
    }

    /// Arguments by the policy, and what the message says of its sender.
    fn read(&self, record: &mut AuditRecord) {
        let message: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let Some(params) = message.get("params") else {
            return;
        };
        let policy = self.state.audit().arguments();
        let given = params.get("arguments").and_then(Value::as_object);
        record.arguments = kept(policy, given.unwrap_or(&serde_json::Map::new()));
        let meta = |name: &str| params.get("_meta")?.get(name);
        let agent = meta(AGENT).and_then(|agent| agent.get("name")?.as_str());
        record.agent = agent.map(shortened);
        if let Some(version) = meta(VERSION).and_then(Value::as_str) {
            record.protocol = Some(shortened(version));
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
        let told = self.told.unwrap_or_else(|| {
            let admitted = self.state.admit(&self.session);
            admitted.map_or_else(|refused| refused.tell, |()| true)
        });
        if !changed && !told {
            return;
        }
        self.read(&mut record);
        record.rows = self.work.rows();
        record.duration = self.begun.elapsed();
        self.state.audit().record(record);
    }
}
