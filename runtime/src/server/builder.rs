//! Putting a server together; and the checks that it does not start without.
//!
//! Invariant: `build` refuses what can be known to be wrong before the first request: settings,
//! and every published schema through which a client could name a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServerHandler;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::Implementation;

use super::beyond::Parts;
use super::error::ServerError;
use super::foreign::{Foreign, ForeignParts};
use super::guard::{Guard, GuardBuilder};
use super::handler::McpServer;
use super::serve::Server;
use super::stdio::{StdioIdentity, StdioServer};
use crate::auth::{Authenticator, TenantChoice};
use crate::completion::Completions;
use crate::db::TenantPool;
use crate::observe::TenantLabel;
use crate::prompt::Prompts;
use crate::resource::Resources;
use crate::sealed::SealingKey;
use crate::tool::{Compiled, Mounted, Tools, published_by_us};
use crate::walk::{self, Place, Waiver};

/// Collects the parts of a [`Server`].
#[must_use = "nothing happens until `build`"]
pub struct ServerBuilder {
    guard: GuardBuilder,
    implementation: Implementation,
    instructions: Option<String>,
    router: ToolRouter<McpServer>,
    requires: BTreeMap<String, Vec<String>>,
    waivers: Vec<Waiver>,
    /// Tools of ours, which the macro has looked at already.
    own: Vec<String>,
    mistakes: Vec<String>,
    legacy_sessions: bool,
    json_response: bool,
    beyond: Parts,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            guard: Guard::builder(),
            implementation: Implementation::new("watertight", env!("CARGO_PKG_VERSION")),
            instructions: None,
            router: ToolRouter::new(),
            requires: BTreeMap::new(),
            waivers: Vec::new(),
            own: Vec::new(),
            mistakes: Vec::new(),
            legacy_sessions: false,
            json_response: true,
            beyond: Parts::default(),
        }
    }

    /// The name that clients see, and that the published metadata gives.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.implementation.name = name.into();
        self.guard = self.guard.name(self.implementation.name.clone());
        self
    }

    /// The server's own version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.implementation.version = version.into();
        self
    }

    /// The name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.implementation.title = Some(title.into());
        self
    }

    /// What a model should know about using this server.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    /// Adds tools: `tools![list_customers, billing::list_invoices]`.
    pub fn tools(mut self, tools: Tools) -> Self {
        match tools.mount() {
            Ok(mounted) => mounted.into_iter().for_each(|tool| self.add_own(tool)),
            Err(error) => self.mistakes.push(error.to_string()),
        }
        self
    }

    /// Adds resources: `resources![ticket, billing::invoice]`.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.beyond.resources = self.beyond.resources.and(resources);
        self
    }

    /// Adds prompts: `prompts![first_answer]`.
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.beyond.prompts = self.beyond.prompts.and(prompts);
        self
    }

    /// Adds completions of their arguments: `completions![complete_ticket]`.
    pub fn completions(mut self, completions: Completions) -> Self {
        self.beyond.completions = self.beyond.completions.and(completions);
        self
    }

    /// How many entries of `tools/list` and the other lists a client gets at a time. 250 by
    /// default.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.beyond.page = Some(entries);
        self
    }

    fn add_own(&mut self, tool: Mounted) {
        self.note(&tool.compiled);
        self.add(tool.into_route());
    }

    /// What one of our own tools says about itself: the scopes that it needs, and where its
    /// attributes waive a rule.
    fn note(&mut self, tool: &Compiled) {
        let name = tool.published.name.to_string();
        self.own.push(name.clone());
        let callable = &tool.callable;
        self.waivers
            .extend(callable.exceptions.iter().map(|exception| Waiver {
                tool: name.clone(),
                reason: exception.reason.to_owned(),
                place: Place::Attribute(exception.clone()),
            }));
        if !callable.scopes.is_empty() {
            let scopes: Vec<String> = callable.scopes.iter().map(|s| (*s).to_owned()).collect();
            self.require(name, scopes);
        }
    }

    /// Mounts tools that are methods, of rmcp's `#[tool]` and of ours: the handler that has them,
    /// and their router, which `#[tool_router]` generates. They run behind the same guard, and
    /// `ToolContext` works in them as a parameter.
    pub fn mount<T: Send + Sync + 'static>(mut self, handler: T, router: ToolRouter<T>) -> Self {
        for route in super::mount::routes(&Arc::new(handler), router) {
            match route {
                Ok(route) => {
                    if let Some(own) = published_by_us(&route.attr) {
                        self.note(&own);
                    }
                    self.add(route);
                }
                Err(error) => self.mistakes.push(error.to_string()),
            }
        }
        self
    }

    /// Mounts resources and prompts of a handler that was written with rmcp alone: the handler, what
    /// of it is served, and why it may be. It runs behind the same guard, and takes the caller from
    /// `ToolContext`, as tools do; nothing but your reason says that it keeps tenants apart.
    ///
    /// Variables and arguments that name a tenant refuse to start, unless
    /// [`allow_argument`](ServerBuilder::allow_argument) names them: `"resource:page"` and
    /// `"prompt:letter"` are what they are called there.
    pub fn mount_foreign(
        mut self,
        handler: impl ServerHandler,
        parts: ForeignParts,
        reason: impl Into<String>,
    ) -> Self {
        let foreign = Foreign::new(handler, parts, reason.into());
        self.beyond.foreign.push(foreign);
        self
    }

    fn add(&mut self, route: rmcp::handler::server::router::tool::ToolRoute<McpServer>) {
        let name = route.attr.name.clone();
        if self.router.has_route(&name) {
            self.mistakes.push(format!("two tools are called `{name}`"));
        }
        self.router.add_route(route);
    }

    /// Accepts what the walk over the published schemas finds at one place of one tool, as its
    /// message prints it, and says why. For mounted tools; ours carry such a reason in their own
    /// attributes.
    pub fn allow_argument(
        mut self,
        tool: impl Into<String>,
        path: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.waivers.push(Waiver {
            tool: tool.into(),
            place: Place::Path(path.into()),
            reason: reason.into(),
        });
        self
    }

    /// The scopes that a mounted tool needs. Tools of ours say `requires` themselves.
    pub fn requires<S: Into<String>>(
        mut self,
        tool: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.require(tool.into(), scopes.into_iter().map(Into::into).collect());
        self
    }

    fn require(&mut self, tool: String, scopes: Vec<String>) {
        self.guard.require(tool.clone(), scopes.clone());
        self.requires.insert(tool, scopes);
    }

    /// See [`GuardBuilder::scope_implies`].
    pub fn scope_implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        self.guard = self.guard.scope_implies(scope, implied);
        self
    }

    /// See [`GuardBuilder::scope_separator`].
    pub fn scope_separator(mut self, separator: char) -> Self {
        self.guard = self.guard.scope_separator(separator);
        self
    }

    /// The database that the tools read and write.
    pub fn pool(mut self, pool: TenantPool) -> Self {
        self.guard = self.guard.pool(pool);
        self
    }

    /// Who verifies the credentials of every request. Required, except for a stdio server whose
    /// identity a launcher fixes.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.guard = self.guard.authenticator(authenticator);
        self
    }

    /// The URL that clients know this server under. Required over HTTP. Its path is where the
    /// server answers; its host is the accepted `Host`; tokens name it as their audience.
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.guard = self.guard.resource(url);
        self
    }

    /// See [`GuardBuilder::authorization_server`].
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.guard = self.guard.authorization_server(issuer);
        self
    }

    /// See [`GuardBuilder::allow_host`].
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.guard = self.guard.allow_host(host);
        self
    }

    /// See [`GuardBuilder::allow_origin`].
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.guard = self.guard.allow_origin(origin);
        self
    }

    /// The largest accepted request body. One mebibyte by default.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.guard = self.guard.max_body_bytes(bytes);
        self
    }

    /// See [`GuardBuilder::failed_authentications`].
    pub fn failed_authentications(mut self, most: u32, period: Duration) -> Self {
        self.guard = self.guard.failed_authentications(most, period);
        self
    }

    /// See [`GuardBuilder::behind_proxies`].
    pub fn behind_proxies(mut self, proxies: usize) -> Self {
        self.guard = self.guard.behind_proxies(proxies);
        self
    }

    /// See [`GuardBuilder::tenant_label`].
    pub fn tenant_label(mut self, label: TenantLabel) -> Self {
        self.guard = self.guard.tenant_label(label);
        self
    }

    /// See [`GuardBuilder::sealing_key`].
    pub fn sealing_key(mut self, key: SealingKey) -> Self {
        self.guard = self.guard.sealing_key(key);
        self
    }

    /// See [`GuardBuilder::scope_key`].
    pub fn scope_key(mut self, key: SealingKey) -> Self {
        self.guard = self.guard.scope_key(key);
        self
    }

    /// See [`GuardBuilder::calls_per_second`].
    pub fn calls_per_second(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.guard = self.guard.calls_per_second(calls);
        self
    }

    /// See [`GuardBuilder::burst`].
    pub fn burst(mut self, calls: u32) -> Self {
        self.guard = self.guard.burst(calls);
        self
    }

    /// Keeps MCP sessions for clients of the protocol versions before 2026-07-28 that ask for
    /// them, each tied to the principal that opened it. Off by default: every client works
    /// without, and only requests from the server to the client need it.
    ///
    /// Opening one counts as a call of its tenant. A principal has 256 at most and a tenant 2048; one
    /// more ends its own oldest.
    pub fn legacy_sessions(mut self, on: bool) -> Self {
        self.legacy_sessions = on;
        self.guard = self.guard.legacy_sessions(on);
        self
    }

    /// Answers with plain JSON where there is nothing to stream. On by default; off means an event
    /// stream for every answer.
    pub fn json_response(mut self, on: bool) -> Self {
        self.json_response = on;
        self
    }

    /// A server for HTTP.
    ///
    /// # Errors
    /// [`ServerError::Configuration`] if a part is missing or contradicts another, and
    /// [`ServerError::Boundary`] if a published tool would let a client name a tenant.
    pub fn build(self) -> Result<Server, ServerError> {
        let handler = self.handler(self.legacy_sessions)?;
        let mut guard = self.guard.walked();
        handler.beyond().require(&mut guard);
        let guard = guard.build()?;
        Ok(Server::new(
            handler,
            guard,
            self.legacy_sessions,
            self.json_response,
        ))
    }

    /// A server for standard input and output, on behalf of one identity: a
    /// [`LauncherAuthenticator`](crate::auth::LauncherAuthenticator), or a token from the
    /// environment ([`StdioIdentity::token_from`]), which the authenticator verifies like any
    /// other, for every request.
    ///
    /// # Errors
    /// As [`ServerBuilder::build`].
    pub fn build_stdio(
        self,
        identity: impl Into<StdioIdentity>,
    ) -> Result<StdioServer, ServerError> {
        let handler = self.handler(true)?;
        let identity = identity.into();
        let identity = identity.resolve(self.guard.dyn_authenticator())?;
        let state = self.guard.state_for(identity.tenant_kind())?;
        Ok(StdioServer::new(handler, identity, state))
    }

    /// Refuses schemas through which a client could name a tenant.
    fn walk(&self, handler: &McpServer) -> Result<(), ServerError> {
        if let Some(vague) = walk::vague(&self.waivers) {
            return Err(ServerError::configuration(vague));
        }
        for Waiver { tool, reason, .. } in &self.waivers {
            tracing::info!(tool, reason, "a rule about tenants is waived");
        }
        let state = self.guard.state_for(None)?;
        let choice = self.guard.choice();
        let reserved: Vec<String> = choice.map(TenantChoice::reserved).unwrap_or_default();
        let mut waivers = self.waivers.clone();
        if state.pool().is_none() {
            waivers.extend(self.own.iter().map(|tool| Waiver {
                tool: tool.clone(),
                place: Place::Judged,
                reason: "judged at compile time".to_owned(),
            }));
        }
        walk::warn_of_prose(
            &handler.published(),
            &handler.beyond().texts(),
            state.extra(),
        );
        let mut findings = walk::findings(&handler.published(), state.extra(), &reserved, &waivers);
        let judged = state.pool().is_none();
        findings.extend(handler.beyond().findings(state.extra(), judged, &waivers));
        if findings.is_empty() {
            Ok(())
        } else {
            Err(ServerError::Boundary(findings))
        }
    }

    /// `follows` says whether a client of the older protocols has a session to be told in.
    fn handler(&self, follows: bool) -> Result<McpServer, ServerError> {
        if let Some(mistake) = self.mistakes.first() {
            return Err(ServerError::configuration(mistake));
        }
        if let Some(unknown) = self
            .requires
            .keys()
            .find(|tool| !self.router.has_route(tool))
        {
            let what = format!("scopes are required for `{unknown}`, and there is no such tool");
            return Err(ServerError::configuration(what));
        }
        let handler = McpServer::new(
            self.implementation.clone(),
            self.instructions.clone(),
            self.router.clone(),
            self.requires.clone(),
            self.beyond
                .clone()
                .build(follows)
                .map_err(ServerError::configuration)?,
        );
        self.walk(&handler)?;
        Ok(handler)
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("name", &self.implementation.name)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
