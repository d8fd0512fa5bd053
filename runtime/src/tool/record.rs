//! One record per call, of our tools and of those mounted beside them.
//!
//! Invariant: a call that began has a record, also one that panics or whose future is dropped. Calls
//! beyond their tenant's rate do not begin, and leave one record in a second.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::JsonObject;
use rmcp::service::{RequestContext, RoleServer};

use crate::audit::{AuditRecord, Origin, Outcome, kept, shortened};
use crate::error::ToolError;
use crate::observe::CallSpan;
use crate::server::{Caller, ServerState};
use crate::session::Session;

/// The audit record of a call under way. Dropping it records it: a call whose future is dropped
/// was cancelled.
pub(crate) struct Record {
    pub(crate) audit: AuditRecord,
    state: Arc<ServerState>,
    origin: Origin,
    span: CallSpan,
    begun: Instant,
    settled: bool,
    /// It was handed over already.
    kept: bool,
}

impl Record {
    /// Begins with what is known when the call arrives.
    pub(crate) fn begin(
        caller: &Caller,
        origin: Origin,
        request: &RequestContext<RoleServer>,
        tool: &str,
        arguments: &JsonObject,
    ) -> Self {
        let mut record = Self::of_background(caller.state(), caller.session(), origin, tool);
        let audit = &mut record.audit;
        audit.agent = request.client_info().map(|client| shortened(&client.name));
        audit.protocol = request
            .protocol_version()
            .map(|version| version.to_string());
        let policy = caller.state().audit().arguments();
        audit.arguments = kept(policy, arguments);
        record
    }

    /// The same for work without a request.
    pub(crate) fn of_background(
        state: &Arc<ServerState>,
        session: &Session,
        origin: Origin,
        name: &str,
    ) -> Self {
        let reference = origin.reference();
        origin.note_record();
        Self {
            audit: AuditRecord::of_session(session, reference, name),
            state: Arc::clone(state),
            origin,
            span: CallSpan::begin(session, reference, name),
            begun: Instant::now(),
            settled: false,
            kept: false,
        }
    }

    /// What the work of the call runs in.
    pub(crate) fn span(&self) -> tracing::Span {
        self.span.span()
    }

    /// Counts a call of the caller's tenant, which is refused if there were too many. Of refusals in
    /// quick succession the first is recorded, so that a flood of calls is no flood of records.
    pub(crate) fn admit(
        caller: &Caller,
        request: &RequestContext<RoleServer>,
        name: &str,
        arguments: &JsonObject,
    ) -> Result<(), ToolError> {
        caller.work().note_record();
        let Err(refused) = caller.state().admit(caller.session()) else {
            return Ok(());
        };
        let error = ToolError::busy()
            .retry_after(refused.retry_after)
            .because("the tenant makes more calls per second than it may");
        if refused.tell {
            let origin = caller.origin();
            let record = Self::begin(caller, origin, request, name, arguments);
            record.end(Outcome::Refused, Some(&error));
        }
        Err(error)
    }

    /// How it ended, whatever is found out later.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.audit.outcome = outcome;
        self.settled = true;
    }

    /// How it ended, without having reached what was called.
    pub(crate) fn end(mut self, outcome: Outcome, error: Option<&ToolError>) {
        self.note(outcome, error);
    }

    fn note(&mut self, outcome: Outcome, error: Option<&ToolError>) {
        if !self.settled {
            self.audit.outcome = outcome;
        }
        self.audit.error = error.map(|error| error.kind().as_str().to_owned());
    }

    /// How it ended. Where records are strict, this waits until it is stored.
    ///
    /// # Errors
    /// [`ToolError::unavailable`] if it can't be stored and has to be.
    pub(crate) async fn close(
        mut self,
        outcome: Outcome,
        error: Option<&ToolError>,
    ) -> Result<(), ToolError> {
        self.note(outcome, error);
        if !self.state.audit().is_strict() {
            return Ok(());
        }
        let record = self.completed();
        self.kept = true;
        let stored = self.state.audit().store(record).await;
        stored.map_err(|kind| {
            ToolError::unavailable()
                .because(format!("the call could not be recorded: {}", kind.as_str()))
        })
    }

    /// The record, now that the call has ended.
    fn completed(&mut self) -> AuditRecord {
        self.audit.count(&self.origin);
        self.audit.duration = self.begun.elapsed();
        let trips = self.origin.trips();
        self.span.end(&self.audit, trips);
        self.state.meter().count(&self.audit, trips);
        if self.audit.probe {
            self.state.count_probe();
            let reference = &self.audit.reference;
            tracing::warn!(
                reference,
                tool = self.audit.tool,
                "probe: the call named a tenant"
            );
        }
        self.audit.clone()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.kept {
            let record = self.completed();
            self.state.audit().record(record);
        }
    }
}
