//! The completion record of one call.
//!
//! Invariant: of arguments there is what the policy of the server keeps, by default their names.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::origin::Origin;
use crate::error::Reference;
use crate::id::TenantId;
use crate::session::Session;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The tool returned a result.
    Ok,
    /// The call was refused before the tool ran: arguments, scopes, limits.
    Refused,
    /// The tool ran and returned an error.
    Failed,
    /// The call was dropped before it ended: the client went away or a time limit passed.
    Cancelled,
    /// The tool panicked.
    Panicked,
}

impl Outcome {
    /// The word that the audit table stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }
}

/// One call, as the tenant's audit trail keeps it.
///
/// Fields without a meaning for a call stay `None`; the tenant is the session's and nobody else's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditRecord {
    /// The tenant in whose trail the record is kept.
    pub tenant: TenantId,
    /// The reference that the client was told and the log carries.
    pub reference: String,
    /// The tool, resource or prompt. Empty for a write outside of a call.
    pub tool: String,
    /// When the call began.
    pub at: DateTime<Utc>,
    /// Who issued the token.
    pub issuer: Option<String>,
    /// Whom the token names.
    pub subject: Option<String>,
    /// Where the caller belongs, if it chose the tenant from several that its token grants.
    pub home_tenant: Option<TenantId>,
    /// The client that the token was issued to, or the API key, as it was verified.
    pub client: Option<String>,
    /// What the caller calls itself. Nobody has verified it.
    pub agent: Option<String>,
    /// The arguments, as the policy keeps them: a list of names, or an object.
    pub arguments: Option<Value>,
    /// How the call ended.
    pub outcome: Outcome,
    /// The class of the error, if it ended in one.
    pub error: Option<String>,
    /// Rows read or changed.
    pub rows: u64,
    /// From the arrival of the call to its end.
    pub duration: Duration,
    /// The protocol version that the call used.
    pub protocol: Option<String>,
    /// The call used something that no honest client sends, such as a tenant among its arguments.
    pub probe: bool,
    /// Writes of the call that committed, each with a record of its own.
    pub effects: i32,
    /// Which ones, of those that the call began, from 1: `1-3,5`.
    pub ordinals: Option<String>,
    /// Writes of which nobody knows whether they committed, because the connection was lost.
    pub uncertain: i32,
}

impl AuditRecord {
    /// The same for a session: its tenant, and who is calling.
    pub(crate) fn of_session(session: &Session, reference: Reference, tool: &str) -> Self {
        let mut record = Self::new(session.tenant().clone(), reference.to_string(), tool);
        record.issuer = Some(session.issuer().to_owned());
        record.subject = Some(session.subject().to_owned());
        record.home_tenant = session.home_tenant().cloned();
        record.client = session.client().map(str::to_owned);
        record
    }

    /// What the call did so far: rows, and its writes.
    pub(crate) fn count(&mut self, origin: &Origin) {
        self.rows = origin.rows();
        (self.ordinals, self.effects, self.uncertain) = origin.effects();
    }

    /// A record of a call that begins now and, until told otherwise, was cancelled: so that a call
    /// whose future is dropped is recorded as what it was.
    #[must_use]
    pub fn new(tenant: TenantId, reference: impl Into<String>, tool: impl Into<String>) -> Self {
        Self {
            tenant,
            reference: reference.into(),
            tool: tool.into(),
            at: Utc::now(),
            issuer: None,
            subject: None,
            home_tenant: None,
            client: None,
            agent: None,
            arguments: None,
            outcome: Outcome::Cancelled,
            error: None,
            rows: 0,
            duration: Duration::ZERO,
            protocol: None,
            probe: false,
            effects: 0,
            ordinals: None,
            uncertain: 0,
        }
    }
}
