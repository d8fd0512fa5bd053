//! The span of a call: who called what, on whose behalf, and how it ended.
//!
//! Invariant: arguments, results and tokens are no part of it.

use tracing::Span;
use tracing::field::{Empty, display};

use crate::audit::{AuditRecord, Outcome};
use crate::error::Reference;
use crate::session::Session;

/// The span of one call, from its arrival to its end.
#[derive(Clone, Debug)]
pub(crate) struct CallSpan(Span);

impl CallSpan {
    /// Fields whose names begin with `otel.` are what `tracing-opentelemetry` looks for.
    pub(crate) fn begin(session: &Session, reference: Reference, tool: &str) -> Self {
        Self(tracing::info_span!(
            target: "watertight::call",
            "call",
            otel.name = tool,
            otel.kind = "server",
            otel.status_code = Empty,
            tool,
            %reference,
            // Named by `super::TENANT`.
            tenant = %session.tenant().as_setting(),
            issuer = session.issuer(),
            user = session.subject(),
            client = session.client(),
            outcome = Empty,
            error = Empty,
            rows = Empty,
            trips = Empty,
            duration_ms = Empty,
        ))
    }

    /// What the work of the call runs in.
    pub(crate) fn span(&self) -> Span {
        self.0.clone()
    }

    pub(crate) fn end(&self, record: &AuditRecord, trips: u64) {
        let duration_ms = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
        self.0.record("outcome", record.outcome.as_str());
        if let Some(error) = &record.error {
            self.0.record("error", error.as_str());
        }
        self.0.record("rows", record.rows);
        self.0.record("trips", trips);
        self.0.record("duration_ms", duration_ms);
        let status = match record.outcome {
            Outcome::Ok => "OK",
            _ => "ERROR",
        };
        self.0.record("otel.status_code", display(status));
        tracing::debug!(target: "watertight::call", parent: &self.0, "call ended");
    }
}
