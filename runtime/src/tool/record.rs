//! One record per call, of our tools and of those mounted beside them.
//!
//! Invariant: a call that began has a record, also one that panics or whose future is dropped.

use std::sync::Arc;
use std::time::Instant;

use rmcp::model::JsonObject;
use rmcp::service::{RequestContext, RoleServer};

use crate::audit::{AuditRecord, Origin, Outcome};
use crate::error::ToolError;
use crate::observe::CallSpan;
use crate::server::{Caller, ServerState};

/// Argument names kept in a record, and letters of each: both come from the client.
const MOST_NAMES: usize = 32;
const LONGEST_NAME: usize = 64;

/// The audit record of a call under way. Dropping it writes it: a call whose future is dropped
/// was cancelled.
pub(crate) struct Record {
    pub(crate) audit: AuditRecord,
    state: Arc<ServerState>,
    origin: Origin,
    span: CallSpan,
    begun: Instant,
    settled: bool,
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
        let mut audit = AuditRecord::of_session(caller.session(), caller.reference(), tool);
        audit.client = request.client_info().map(|client| shortened(&client.name));
        audit.protocol = request
            .protocol_version()
            .map(|version| version.to_string());
        audit.arguments = arguments
            .keys()
            .take(MOST_NAMES)
            .map(|name| shortened(name))
            .collect();
        Self {
            audit,
            state: Arc::clone(caller.state()),
            origin,
            span: CallSpan::begin(caller.session(), caller.reference(), tool),
            begun: Instant::now(),
            settled: false,
        }
    }

    /// What the work of the call runs in.
    pub(crate) fn span(&self) -> tracing::Span {
        self.span.span()
    }

    /// How it ended, whatever is found out later.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        self.audit.outcome = outcome;
        self.settled = true;
    }

    /// How it ended.
    pub(crate) fn end(mut self, outcome: Outcome, error: Option<&ToolError>) {
        if !self.settled {
            self.audit.outcome = outcome;
        }
        self.audit.error = error.map(|error| error.kind().as_str().to_owned());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.audit.rows = self.origin.rows();
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
        self.state.audit().record(self.audit.clone());
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}
