//! What travels with one request: the verified session and the server that serves it.
//!
//! Invariant: a `Caller` is put into a request by the guard (HTTP) or by the stdio transport, both
//! after verification. The type is private to this crate, so no other code can put one there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use watertight_analysis::words::Extra;

use crate::audit::{AuditWriter, Origin, Work};
use crate::auth::ScopeRules;
use crate::db::TenantPool;
use crate::error::Reference;
use crate::life::Running;
use crate::observe::{Meter, TenantLabel};
use crate::rate::{Limiter, Rate, Refused};
use crate::sealed::{Sealer, SealingKey};
use crate::session::Session;
use crate::subscription::Notifier;
use crate::tripwire::{Tripwire, Tripwires};
use crate::walk::extra_of;

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct ServerState {
    pool: Option<TenantPool>,
    tripwires: Tripwires,
    extra: Extra,
    scope_rules: ScopeRules,
    /// Scopes by tool, where they do not stand at the tool itself.
    requires: BTreeMap<String, Vec<String>>,
    audit: OnceLock<AuditWriter>,
    probes: AtomicU64,
    meter: Meter,
    sealer: Sealer,
    /// Of the prefixes outside of the database; it stays what it is.
    prefix_key: Option<SealingKey>,
    limiter: Option<Limiter>,
    /// Of the server around it; a guard in front of another service has none.
    notifier: OnceLock<Notifier>,
}

impl ServerState {
    pub(crate) fn new(pool: Option<TenantPool>, scope_rules: ScopeRules) -> Self {
        let extra = extra_of(pool.as_ref().map(TenantPool::catalog));
        Self {
            tripwires: Tripwires::new(&extra.tenant_column),
            pool,
            extra,
            scope_rules,
            requires: BTreeMap::new(),
            audit: OnceLock::new(),
            probes: AtomicU64::new(0),
            meter: Meter::default(),
            sealer: Sealer::new(&[]),
            prefix_key: None,
            limiter: None,
            notifier: OnceLock::new(),
        }
    }

    /// The same, with other keys for its handles.
    pub(crate) fn sealed_with(mut self, sealer: Sealer) -> Self {
        self.sealer = sealer;
        self
    }

    /// The same, with metrics that are split by tenant.
    pub(crate) fn metered_by(mut self, label: TenantLabel) -> Self {
        self.meter = Meter::labelled(label);
        self
    }

    /// What counts its calls.
    pub(crate) const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same, with a key for prefixes.
    pub(crate) fn prefixed_with(mut self, key: Option<SealingKey>) -> Self {
        self.prefix_key = key;
        self
    }

    /// The same, with a limit for the calls of each tenant.
    pub(crate) fn limited_to(mut self, rate: Option<Rate>) -> Self {
        self.limiter = rate.map(Limiter::new);
        self
    }

    /// Counts a call of the session's tenant.
    pub(crate) fn admit(&self, session: &Session) -> Result<(), Refused> {
        match &self.limiter {
            Some(limiter) => limiter.admit(session.tenant()),
            None => Ok(()),
        }
    }

    /// The key of prefixes outside of the database.
    pub(crate) fn prefix_key(&self) -> Option<&SealingKey> {
        self.prefix_key.as_ref()
    }

    /// The same, with the scopes that tools need.
    pub(crate) fn requiring(mut self, requires: BTreeMap<String, Vec<String>>) -> Self {
        self.requires = requires;
        self
    }

    /// Whether the session has every scope that the tool needs.
    pub(crate) fn may_call(&self, tool: &str, session: &Session) -> bool {
        let needed = self.requires.get(tool);
        needed.is_none_or(|scopes| scopes.iter().all(|scope| session.has_scope(scope)))
    }

    /// The database; `None` in a server that has none.
    pub(crate) fn pool(&self) -> Option<&TenantPool> {
        self.pool.as_ref()
    }

    /// Where completed calls are recorded. Its task starts with the first request, because a server
    /// may be built before its runtime runs.
    pub(crate) fn audit(&self) -> &AuditWriter {
        self.audit.get_or_init(|| match &self.pool {
            Some(pool) if pool.audits() => AuditWriter::start(pool.clone()),
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

    /// One more call that named a tenant.
    pub(crate) fn count_probe(&self) {
        self.probes.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub(crate) fn probes(&self) -> u64 {
        self.probes.load(Ordering::Relaxed)
    }

    /// What names a tenant here beside the usual words.
    pub(crate) fn extra(&self) -> &Extra {
        &self.extra
    }

    /// What looks for this session's tenant in what leaves the server.
    #[cfg(test)]
    pub(crate) fn tripwires(&self) -> &Tripwires {
        &self.tripwires
    }

    pub(crate) fn tripwire(&self, session: &Session) -> Arc<Tripwire> {
        self.tripwires
            .of_session(session.tenant(), session.home_tenant())
    }
}

/// The verified caller of one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    session: Session,
    state: Arc<ServerState>,
    reference: Reference,
    work: Arc<Work>,
}

impl Caller {
    /// From here on the session's scopes are those that it amounts to on this server.
    pub(crate) fn new(session: Session, state: Arc<ServerState>, reference: Reference) -> Self {
        Self {
            session: session.under(&state.scope_rules),
            state,
            reference,
            work: Arc::default(),
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

    /// The same caller for the length of one call: until what is returned beside it is dropped.
    pub(crate) fn for_call(&self) -> (Self, Running) {
        let (session, running) = self.session.for_call();
        let caller = Self {
            session,
            ..self.clone()
        };
        (caller, running)
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

    /// What the request has done so far.
    pub(crate) const fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// On whose behalf the work of this request is done.
    pub(crate) fn origin(&self) -> Origin {
        let origin = Origin::new(self.reference).sharing(&self.work);
        origin.on_behalf_of(&self.session)
    }

    /// What looks for this caller's tenant in what leaves the server.
    pub(crate) fn tripwire(&self) -> Arc<Tripwire> {
        self.state.tripwire(&self.session)
    }
}
