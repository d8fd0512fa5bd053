//! What travels with one request: the verified session and the server that serves it.
//!
//! Invariant: a `Caller` is put into a request by the guard (HTTP) or by the stdio transport, both
//! after verification. The type is private to this crate, so no other code can put one there.

use std::sync::{Arc, OnceLock};

use watertight_analysis::words::Extra;

use crate::audit::{AuditLimits, AuditWriter};
use crate::db::TenantPool;
use crate::error::Reference;
use crate::sealed::Sealer;
use crate::session::Session;
use crate::subscription::Notifier;
use crate::tripwire::{Tripwire, Tripwires};

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pool: Option<TenantPool>,
    tripwires: Tripwires,
    extra: Extra,
    audit: OnceLock<AuditWriter>,
    sealer: Sealer,
    /// Of the server around it; a guard in front of another service has none.
    notifier: OnceLock<Notifier>,
}

impl ServerState {
    pub(crate) fn new(pool: Option<TenantPool>) -> Self {
        let column = pool
            .as_ref()
            .map_or("tenant_id", |pool| pool.catalog().settings.tenant_column);
        let relations = pool.iter().flat_map(|pool| pool.catalog().relations());
        let of_tenants = relations.filter(|relation| relation.tenant_column.is_some());
        let extra = Extra {
            tenant_column: column.to_owned(),
            tables: of_tenants
                .map(|relation| relation.name.to_owned())
                .collect(),
            ..Extra::default()
        };
        Self {
            tripwires: Tripwires::new(column),
            pool,
            extra,
            audit: OnceLock::new(),
            sealer: Sealer::new(&[]),
            notifier: OnceLock::new(),
        }
    }

    /// The same, with other keys for its handles.
    pub(crate) fn sealed_with(mut self, sealer: Sealer) -> Self {
        self.sealer = sealer;
        self
    }

    /// The database; `None` in a server that has none.
    pub(crate) fn pool(&self) -> Option<&TenantPool> {
        self.pool.as_ref()
    }

    /// Where completed calls are recorded. Its task starts with the first request, because a server
    /// may be built before its runtime runs.
    pub(crate) fn audit(&self) -> &AuditWriter {
        self.audit.get_or_init(|| match &self.pool {
            Some(pool) if pool.audits() => AuditWriter::start(pool.clone(), AuditLimits::default()),
            _ => AuditWriter::to_log(),
        })
    }

    /// What tells clients of changes, if there are resources.
    pub(crate) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.get()
    }

    /// Sets it, once.
    pub(crate) fn notify_by(&self, notifier: Notifier) {
        // A second one would be of the same handler.
        let _ = self.notifier.set(notifier);
    }

    /// What makes and reads the handles that go through clients.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// What names a tenant here beside the usual words.
    pub(crate) fn extra(&self) -> &Extra {
        &self.extra
    }

    /// What looks for this session's tenant in what leaves the server.
    pub(crate) fn tripwire(&self, session: &Session) -> Arc<Tripwire> {
        self.tripwires.of(session.tenant())
    }
}

/// The verified caller of one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    session: Session,
    state: Arc<ServerState>,
    reference: Reference,
}

impl Caller {
    pub(crate) fn new(session: Session, state: Arc<ServerState>, reference: Reference) -> Self {
        Self {
            session,
            state,
            reference,
        }
    }

    /// The caller of this request: beside the message itself over stdio, and inside the HTTP
    /// request's parts, which rmcp copies there, over HTTP.
    ///
    /// `None` means that nothing verified this request, because the guard is not mounted. Refuse.
    pub(crate) fn from_extensions(extensions: &rmcp::model::Extensions) -> Option<&Self> {
        extensions.get::<Self>().or_else(|| {
            extensions
                .get::<http::request::Parts>()
                .and_then(|parts| parts.extensions.get())
        })
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn state(&self) -> &Arc<ServerState> {
        &self.state
    }

    /// What this request is called in its answer, in the log and in the audit trail.
    pub(crate) const fn reference(&self) -> Reference {
        self.reference
    }

    /// What looks for this caller's tenant in what leaves the server.
    pub(crate) fn tripwire(&self) -> Arc<Tripwire> {
        self.state.tripwire(&self.session)
    }
}
