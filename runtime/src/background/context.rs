//! What a piece of background work is given: the way to one tenant's data, and on whose behalf.
//!
//! Invariant: it can be neither made nor cloned by the work, and opens nothing after the work has
//! ended, as the context of a call.

use std::fmt;
use std::sync::Arc;

use crate::audit::Origin;
use crate::db::{DbError, DbErrorKind, DbResult, Scope, TenantPool, WriteScope};
use crate::error::Reference;
use crate::server::ServerState;
use crate::session::Session;

/// One piece of background work, on behalf of one principal in one tenant.
pub struct BackgroundContext {
    session: Session,
    state: Arc<ServerState>,
    origin: Origin,
}

impl BackgroundContext {
    pub(super) fn new(session: Session, state: Arc<ServerState>, origin: Origin) -> Self {
        Self {
            session,
            state,
            origin,
        }
    }

    /// Opens a read-only transaction bound to the tenant.
    ///
    /// # Errors
    /// As [`ToolContext::read`](crate::ToolContext::read).
    pub async fn read(&self) -> DbResult<Scope<'_>> {
        let tenant = self.session.tenant();
        self.pool()?.read_as(tenant, self.origin.clone()).await
    }

    /// Opens a transaction that may change data, bound to the tenant. Nothing is kept without
    /// [`commit`](WriteScope::commit).
    ///
    /// # Errors
    /// As [`read`](BackgroundContext::read).
    pub async fn write(&self) -> DbResult<WriteScope<'_>> {
        let tenant = self.session.tenant();
        self.pool()?.write_as(tenant, self.origin.clone()).await
    }

    fn pool(&self) -> DbResult<&TenantPool> {
        self.session.life().check()?;
        self.state.pool().ok_or_else(|| {
            let cause = "this server was built without a pool";
            DbError::with_cause(DbErrorKind::Unavailable, cause)
        })
    }

    /// On whose behalf: the caller whose ticket it is, or the job of a maintenance.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the caller had this scope when the ticket was made. A maintenance has none.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.session.has_scope(scope)
    }

    /// What this run is called in the log and in the audit trail.
    #[must_use]
    pub const fn reference(&self) -> Reference {
        self.origin.reference()
    }

    pub(crate) const fn state(&self) -> &Arc<ServerState> {
        &self.state
    }
}

impl fmt::Debug for BackgroundContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundContext")
            .field("session", &self.session)
            .field("reference", &self.reference())
            .finish_non_exhaustive()
    }
}
