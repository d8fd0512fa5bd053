//! What a tool is given instead of a tenant: the way to this caller's data, and who is calling.
//!
//! Invariant: a context comes from a verified request and can be neither made nor cloned by a
//! tool; wherever a tool may have put it, it opens nothing after its call and never serves another
//! caller.

use std::fmt;

use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::{ErrorData, ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext, RoleServer};
use tokio_util::sync::CancellationToken;

use crate::audit::Origin;
use crate::db::{DbError, DbErrorKind, DbResult, Scope, TenantPool, WriteScope};
use crate::error::{Reference, ToolError, ToolResult};
use crate::server::Caller;
use crate::session::Session;

/// One call of a tool, on behalf of one verified caller.
///
/// A tool takes it by type; it is never part of the schema. It also works as a parameter of
/// rmcp's own `#[tool]` methods, on a server that the guard protects.
///
/// It ends with its call: one that was put into a static, sent through a channel or moved into a
/// task of its own opens nothing afterwards ([`DbErrorKind::Ended`]), and neither do the scopes and
/// the session that were taken from it.
pub struct ToolContext {
    caller: Caller,
    origin: Origin,
    cancelled: CancellationToken,
    progress: Option<(Peer<RoleServer>, ProgressToken)>,
    /// Of a tool that says `read_only`.
    reads_only: bool,
}

impl ToolContext {
    /// The context of a call of the named tool; `None` where the tool's name is not known.
    pub(super) fn new(
        caller: Caller,
        tool: Option<&str>,
        request: &RequestContext<RoleServer>,
    ) -> Self {
        let origin = caller.origin();
        Self {
            origin: match tool {
                Some(tool) => origin.tool(tool),
                None => origin,
            },
            cancelled: request.ct.clone(),
            progress: request
                .meta
                .get_progress_token()
                .map(|token| (request.peer.clone(), token)),
            caller,
            reads_only: false,
        }
    }

    /// What a tool says of itself holds.
    pub(super) fn limited_to_reading(mut self, reads_only: bool) -> Self {
        self.reads_only = reads_only;
        self
    }

    /// The context of a request, for handlers that were written with rmcp alone and have no
    /// extractors, such as `ServerHandler::read_resource`.
    ///
    /// # Errors
    /// An internal error if nothing verified the request (the guard is not mounted), or if the request
    /// has been answered.
    pub fn of_request(request: &RequestContext<RoleServer>) -> ToolResult<Self> {
        match Caller::from_extensions(&request.extensions) {
            Some(caller) => {
                caller.session().life().check().map_err(DbError::from)?;
                Ok(Self::new(caller.clone(), None, request))
            }
            None => Err(unverified()),
        }
    }

    /// Opens a read-only transaction bound to the caller's tenant.
    ///
    /// # Errors
    /// `Busy` if no connection became free in time, `Unavailable` if the database can't be
    /// reached or the server has none, `Ended` after the call and `Expired` after its token. `?` turns
    /// it into a [`ToolError`].
    pub async fn read(&self) -> DbResult<Scope<'_>> {
        let tenant = self.session().tenant();
        self.pool()?.read_as(tenant, self.origin.clone()).await
    }

    /// Opens a transaction that may change data, bound to the caller's tenant. Nothing is kept
    /// without [`commit`](WriteScope::commit).
    ///
    /// # Errors
    /// As [`read`](ToolContext::read), and `Internal` in a tool that says `read_only`: clients ask
    /// nobody before they call such a tool.
    pub async fn write(&self) -> DbResult<WriteScope<'_>> {
        if self.reads_only {
            let what = "the tool says `read_only` and opens a scope that writes; take `read_only` \
                        off its attribute, or use `cx.read()`";
            tracing::error!(reference = %self.reference(), what);
            return Err(DbError::with_cause(DbErrorKind::Internal, what));
        }
        let tenant = self.session().tenant();
        self.pool()?.write_as(tenant, self.origin.clone()).await
    }

    fn pool(&self) -> DbResult<&TenantPool> {
        self.alive()?;
        self.caller.state().pool().ok_or_else(|| {
            DbError::with_cause(
                DbErrorKind::Unavailable,
                "this server was built without a pool",
            )
        })
    }

    /// Who is calling.
    #[must_use]
    pub fn session(&self) -> &Session {
        self.caller.session()
    }

    /// The user or machine that is calling; unique within the session's issuer.
    #[must_use]
    pub fn user(&self) -> &str {
        self.session().subject()
    }

    /// Whether the caller's token grants this scope; see [`Session::has_scope`].
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.session().has_scope(scope)
    }

    /// What this call is named in the answer to the client, in the log and in the audit trail.
    #[must_use]
    pub fn reference(&self) -> Reference {
        self.caller.reference()
    }

    /// Refuses what is asked of a context whose call is over.
    pub(crate) fn alive(&self) -> DbResult<()> {
        Ok(self.session().life().check()?)
    }

    /// Waits until the client takes the call back. For work that should stop in good order: the
    /// call itself is dropped then.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Whether the client took the call back.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Tells the client how far the call is, if it asked to know. `message` is for people.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let (Some((peer, token)), Ok(())) = (&self.progress, self.alive()) else {
            return;
        };
        let mut told = ProgressNotificationParam::new(token.clone(), done);
        told.total = total;
        told.message = message.map(str::to_owned);
        if let Err(error) = peer.notify_progress(told).await {
            tracing::debug!(reference = %self.reference(), %error, "progress did not reach the client");
        }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl<C: AsRequestContext> FromContextPart<C> for ToolContext {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        Self::of_request(context.as_request_context()).map_err(Into::into)
    }
}

/// Nothing verified the request: the guard is not mounted in front of this server.
pub(super) fn unverified() -> ToolError {
    ToolError::internal(
        "the request carries no verified session: mount the guard's layer in front of the MCP service",
    )
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolContext")
            .field("session", self.session())
            .field("reference", &self.reference())
            .finish_non_exhaustive()
    }
}
