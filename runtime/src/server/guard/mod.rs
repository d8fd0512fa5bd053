//! The guard: verifies every HTTP request in front of an MCP service, ours or any other.
//!
//! Invariant: the parts agree with each other because one builder makes them from one resource
//! URL: the layer, the published metadata, the accepted hosts and the challenge.

mod failures;
mod hosts;
mod incoming;
mod layer;
mod listing;
mod outgoing;
mod refusal;
mod resource;
mod sessions;
mod unrecorded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::Tool;
use watertight_analysis::uri_template::Template;

use crate::auth::{Authenticator, DynAuthenticator, ScopeRules, TenantChoice, is_scope};
use crate::background::Background;
use crate::db::TenantPool;
use crate::id::TenantKind;
use crate::observe::TenantLabel;
use crate::rate::Rate;
use crate::sealed::{Sealer, SealingKey};
use crate::server::ServerError;
use crate::server::caller::ServerState;
use crate::tool::published_by_us;
use crate::walk::{Place, Waiver, findings, vague, waivers_of, warn_of_prose};

use failures::{Failures, Limit};
use hosts::Hosts;
pub use layer::{GuardLayer, GuardService};
use listing::Listing;
use resource::Resource;
use sessions::Sessions;

/// One mebibyte: far above what tools take as arguments.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Verifies every request in front of an MCP service over HTTP.
///
/// [`Server`](crate::Server) has one inside. Use it by itself to put tools of this crate into an
/// existing rmcp server:
///
/// ```no_run
/// use std::sync::Arc;
/// use axum::Router;
/// use rmcp::transport::streamable_http_server::{
///     StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
/// };
/// use watertight::{Guard, auth::JwtAuthenticator};
///
/// # #[derive(Clone)] struct MyServer;
/// # impl rmcp::ServerHandler for MyServer {}
/// # fn example(auth: JwtAuthenticator) -> Result<Router, Box<dyn std::error::Error>> {
/// let guard = Guard::builder()
///     .authenticator(auth)
///     .resource("https://mcp.example.com/mcp")
///     .build()?;
/// let config = StreamableHttpServerConfig::default()
///     .with_legacy_session_mode(false)
///     .disable_allowed_hosts(); // the guard checks `Host` and `Origin`
/// let mcp = StreamableHttpService::new(|| Ok(MyServer), Arc::<NeverSessionManager>::default(), config);
/// let app = Router::new()
///     .route_service("/mcp", guard.protect(mcp))
///     .merge(guard.metadata_routes());
/// # Ok(app)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    metadata: serde_json::Value,
    metadata_url: String,
}

/// What all clones of the layer share.
pub(crate) struct Shared {
    authenticator: Arc<dyn DynAuthenticator>,
    hosts: Hosts,
    resource: Resource,
    /// How requests choose among several tenants, if they do; and the tenants' kind.
    choice: Option<TenantChoice>,
    tenant_kind: Option<TenantKind>,
    max_body_bytes: usize,
    failures: Failures,
    /// Present if legacy sessions are on.
    sessions: Option<Sessions>,
    /// Scopes by what is called, as records name it.
    requires: BTreeMap<String, Vec<String>>,
    /// What a URI calls.
    templates: Vec<(Template, String)>,
    /// Walks what is listed, where the server behind is not ours.
    listing: Option<Arc<Listing>>,
    state: Arc<ServerState>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// Starts with the safe defaults: no legacy sessions, bodies up to one mebibyte, no host and
    /// no origin but the resource's own.
    pub fn builder() -> GuardBuilder {
        GuardBuilder {
            authenticator: None,
            issuers: Vec::new(),
            tenant_kind: None,
            choice: None,
            pool: None,
            resource: None,
            authorization_servers: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            max_body_bytes: MAX_BODY_BYTES,
            legacy_sessions: false,
            requires: BTreeMap::new(),
            scope_rules: ScopeRules::default(),
            templates: Vec::new(),
            name: None,
            sealing_keys: Vec::new(),
            prefix_key: None,
            rate: Some(Rate::USUAL),
            published: Vec::new(),
            waivers: Vec::new(),
            tenant_label: TenantLabel::Off,
            failures: Limit::default(),
            walked: false,
        }
    }

    /// The layer to put around the MCP service.
    #[must_use]
    pub fn layer(&self) -> GuardLayer {
        GuardLayer(Arc::clone(&self.shared))
    }

    /// The service with the layer around it.
    pub fn protect<S>(&self, service: S) -> GuardService<S> {
        tower_layer::Layer::layer(&self.layer(), service)
    }

    /// The route of the protected resource metadata (RFC 9728). It is public; mount it outside of
    /// the layer.
    pub fn metadata_routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let Shared {
            resource,
            tenant_kind,
            ..
        } = &*self.shared;
        resource.metadata_router(&self.metadata, *tenant_kind)
    }

    /// Where clients find the metadata; with `{tenant}` in it where the tenant is in the path.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The path of the resource, where the MCP service belongs: `/mcp`, or `/t/{tenant}/mcp`,
    /// which is a route of axum's as it stands.
    #[must_use]
    pub fn path(&self) -> &str {
        self.shared.resource.path()
    }

    /// How many calls so far named a tenant among arguments that the tool does not take: something
    /// that no honest client sends. Each is in the audit trail of its tenant as a probe.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.shared.state.probes()
    }

    /// What opens the tickets of this server's calls, for a worker within its process.
    #[must_use]
    pub fn background(&self) -> Background {
        Background::of_server(&self.shared.state)
    }

    /// Waits until the audit records of what has run so far are in the table or, if the database is
    /// away, in the log; some ten seconds at most. [`Server::serve`](crate::Server::serve) does so when
    /// it stops; with a router or a handler of your own call it when yours has stopped.
    pub async fn flush(&self) {
        self.state().audit().flush().await;
    }

    pub(crate) fn state(&self) -> &Arc<ServerState> {
        &self.shared.state
    }
}

/// Collects the settings of a [`Guard`].
#[must_use = "nothing happens until `build`"]
pub struct GuardBuilder {
    authenticator: Option<Arc<dyn DynAuthenticator>>,
    issuers: Vec<String>,
    tenant_kind: Option<TenantKind>,
    choice: Option<TenantChoice>,
    pool: Option<TenantPool>,
    resource: Option<String>,
    authorization_servers: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    max_body_bytes: usize,
    legacy_sessions: bool,
    requires: BTreeMap<String, Vec<String>>,
    scope_rules: ScopeRules,
    templates: Vec<(Template, String)>,
    name: Option<String>,
    sealing_keys: Vec<SealingKey>,
    prefix_key: Option<SealingKey>,
    rate: Option<Rate>,
    /// Tools of the server behind the guard, where it is another than ours.
    published: Vec<Tool>,
    waivers: Vec<Waiver>,
    tenant_label: TenantLabel,
    failures: Limit,
    /// Whether everything behind the guard was looked at already: it is a server of ours.
    walked: bool,
}

impl GuardBuilder {
    /// Who verifies the credentials. Required.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.issuers = authenticator.issuers();
        self.tenant_kind = authenticator.tenant_kind();
        self.choice = authenticator.tenant_choice();
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// The database that tools of this crate read and write.
    pub fn pool(mut self, pool: TenantPool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// The URL that clients know this server under, which tokens name as their audience. Required;
    /// `https`, or `http` on a loopback address.
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.resource = Some(url.into());
        self
    }

    /// An authorization server to publish in the metadata, in place of the authenticator's own
    /// issuers.
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.authorization_servers.push(issuer.into());
        self
    }

    /// A further accepted `Host`, as `host` (any port) or `host:port`: the name that a reverse
    /// proxy uses.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// A further accepted `Origin`: a web page that may call this server.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// The largest accepted body. One mebibyte by default.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// Accepts legacy MCP sessions, each its principal's; 2048 a tenant, and opening one counts as a
    /// call. Turn them on in the transport as well.
    pub fn legacy_sessions(mut self, on: bool) -> Self {
        self.legacy_sessions = on;
        self
    }

    /// The scopes that a tool needs: a call without them is answered with 403 and
    /// `insufficient_scope`.
    pub fn requires<S: Into<String>>(
        mut self,
        tool: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.require(tool.into(), scopes);
        self
    }

    pub(crate) fn require(&mut self, tool: String, scopes: Vec<String>) {
        self.requires.insert(tool, scopes);
    }

    /// Tells the guard of the tools in front of which it stands, if they are served by an rmcp
    /// handler of your own. It looks at them as a [`Server`](crate::Server) looks at its tools,
    /// and `build` refuses what would let a client name a tenant; calls of methods with
    /// `#[watertight::tool(requires = "…")]` are answered with 403 where the scope is missing.
    ///
    /// Without this the look comes late: at each list of tools, prompts or templates that leaves.
    /// One with a finding is withheld, and what was found in it can't be called from then on.
    ///
    /// What the handler lists is the handler's own: [`list_tools`](crate::list_tools) lists what
    /// the caller may call.
    pub fn tools<S: Send + Sync + 'static>(mut self, router: &ToolRouter<S>) -> Self {
        for tool in router.list_all() {
            if let Some(own) = published_by_us(&tool) {
                let scopes = own.callable.scopes.iter().map(|scope| (*scope).to_owned());
                let scopes: Vec<String> = scopes.collect();
                if !scopes.is_empty() {
                    self.require(tool.name.to_string(), scopes);
                }
            }
            self.published.push(tool);
        }
        self
    }

    /// Accepts what the look at those tools finds at one place, as its message prints it, and says
    /// why.
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

    fn look(&self, state: &ServerState) -> Result<(), ServerError> {
        if let Some(vague) = vague(&self.waivers) {
            return Err(ServerError::configuration(vague));
        }
        let reserved = self.choice().map(TenantChoice::reserved);
        let judged = state.pool().is_none();
        let waivers = waivers_of(&self.published, &self.waivers, judged);
        let reserved = reserved.unwrap_or_default();
        warn_of_prose(&self.published, &[], state.extra());
        let found = findings(&self.published, state.extra(), &reserved, &waivers);
        match found.is_empty() {
            true => Ok(()),
            false => Err(ServerError::Boundary(found)),
        }
    }

    /// Whoever is granted `scope` has these scopes as well. Off unless called: then every scope
    /// stands for itself alone. Rules that go round in a circle are refused by `build`.
    pub fn scope_implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        self.scope_rules
            .imply(scope.into(), implied.into_iter().map(Into::into));
        self
    }

    /// A granted scope includes every scope that begins with it and this separator: with `':'`,
    /// `customers` includes `customers:read`. Off unless called.
    pub fn scope_separator(mut self, separator: char) -> Self {
        self.scope_rules.separate(separator);
        self
    }

    /// The same for a resource, by its record's name.
    pub(crate) fn require_for(&mut self, template: Template, called: String, scopes: Vec<String>) {
        self.require(called.clone(), scopes);
        self.templates.push((template, called));
    }

    /// The server's name for people, in the metadata.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A key for the handles that clients carry: cursors and the like. The first one seals, all of
    /// them open: to replace a key, give the new one first and keep the old one for a while.
    ///
    /// Without, a key that ends with the process. Instances behind one address need the same keys.
    pub fn sealing_key(mut self, key: SealingKey) -> Self {
        self.sealing_keys.push(key);
        self
    }

    /// How many requests with wrong credentials one address may send in a period (60 in a minute);
    /// further ones are answered with 429 and `Retry-After`, unread. Zero is no limit.
    ///
    /// The address is the connection's, which [`Server::serve`](crate::Server::serve) knows. An axum
    /// application of your own hands it on with `into_make_service_with_connect_info::<SocketAddr>()`;
    /// without, nothing is limited. Nor is it where requests come through a proxy that nobody told of,
    /// from an internal address and with `X-Forwarded-For` or `Forwarded`: see
    /// [`behind_proxies`](GuardBuilder::behind_proxies).
    pub fn failed_authentications(mut self, most: u32, period: Duration) -> Self {
        self.failures.most = most;
        self.failures.period = period;
        self
    }

    /// How many reverse proxies stand in front, each of which appends to `X-Forwarded-For`: then the
    /// client's address is the one that the outermost of them saw. Zero says that there is none, and
    /// that the header means nothing.
    ///
    /// Count only your own: whoever reaches the server around them writes the header as they like.
    pub fn behind_proxies(mut self, proxies: usize) -> Self {
        self.failures.proxies = Some(proxies);
        self
    }

    /// Whether metrics of calls are split by tenant; [`TenantLabel::Off`] by default.
    pub fn tenant_label(mut self, label: TenantLabel) -> Self {
        self.tenant_label = label;
        self
    }

    /// The key for prefixes outside of the database ([`ToolContext::scope_key`]). Unlike a sealing key
    /// it stays what it is: under another one, everything that was stored is out of reach.
    ///
    /// [`ToolContext::scope_key`]: crate::ToolContext::scope_key
    pub fn scope_key(mut self, key: SealingKey) -> Self {
        self.prefix_key = Some(key);
        self
    }

    /// How many calls of tools, resources, prompts and completions one tenant may make in a second, all
    /// its users together, on this instance: 100 by default, and 200 at once; or `None` for no limit.
    /// What is beyond is answered with "busy" and the time after which the next call would be
    /// accepted. A refusal costs little and not nothing: processors are shared by all tenants.
    ///
    /// Twice as many may come at once, unless [`burst`](GuardBuilder::burst) is called afterwards.
    pub fn calls_per_second(mut self, calls: impl Into<Option<u32>>) -> Self {
        self.rate = calls.into().map(Rate::per_second);
        self
    }

    /// How many calls of a tenant that paused may come at once.
    pub fn burst(mut self, calls: u32) -> Self {
        self.rate = self.rate.map(|rate| rate.with_burst(calls));
        self
    }

    /// How requests choose among several tenants, if they do.
    pub(crate) fn choice(&self) -> Option<&TenantChoice> {
        self.choice.as_ref()
    }

    pub(crate) fn dyn_authenticator(&self) -> Option<&Arc<dyn DynAuthenticator>> {
        self.authenticator.as_ref()
    }

    fn parse_resource(&self) -> Result<Resource, ServerError> {
        let Some(resource) = &self.resource else {
            return Err(ServerError::configuration(
                "no resource; add `.resource(\"https://…/mcp\")`, the URL that clients use",
            ));
        };
        Resource::parse(resource).map_err(ServerError::configuration)
    }

    /// What all requests share, for an identity that yields tenants of this kind; without one, of
    /// the authenticator's kind.
    pub(crate) fn state_for(
        &self,
        kind: Option<TenantKind>,
    ) -> Result<Arc<ServerState>, ServerError> {
        let wanted = self
            .pool
            .as_ref()
            .map(|pool| pool.catalog().settings.tenant_kind);
        if let (Some(wanted), Some(yielded)) = (wanted, kind.or(self.tenant_kind))
            && wanted != yielded
        {
            return Err(ServerError::configuration(format!(
                "the credentials name tenants of kind {yielded:?}, and the database has \
                 {wanted:?}; say `.tenant_kind(TenantKind::{wanted:?})` to the authenticator"
            )));
        }
        self.scope_rules
            .check()
            .map_err(ServerError::configuration)?;
        let state = ServerState::new(self.pool.clone(), self.scope_rules.clone());
        let state = state.requiring(self.requires.clone());
        let state = state.metered_by(self.tenant_label);
        Ok(Arc::new(
            state
                .sealed_with(Sealer::new(&self.sealing_keys))
                .prefixed_with(self.prefix_key.clone())
                .limited_to(self.rate),
        ))
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If one is missing or malformed, or the authenticator yields another kind of tenant than the
    /// database has.
    pub fn build(self) -> Result<Guard, ServerError> {
        let state = self.state_for(None)?;
        self.look(&state)?;
        let listing = self.listing(&state);
        let resource = self.parse_resource()?;
        let Some(authenticator) = self.authenticator else {
            return Err(ServerError::configuration(
                "no authenticator; add `.authenticator(JwtAuthenticator::builder()…)`",
            ));
        };
        check_path(&resource, self.choice.as_ref(), self.tenant_kind)?;
        let hosts = Hosts::new(&resource, &self.hosts, &self.origins);
        let hosts = hosts.map_err(ServerError::configuration)?;
        let mut scopes: Vec<String> = self.requires.values().flatten().cloned().collect();
        scopes.sort_unstable();
        scopes.dedup();
        // A scope is written into a header between quotes (RFC 6749, 3.3).
        if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(ServerError::configuration(format!(
                "`{scope}` is not a scope"
            )));
        }
        let servers = if self.authorization_servers.is_empty() {
            self.issuers
        } else {
            self.authorization_servers
        };
        let metadata = resource.document(&servers, &scopes, self.name.as_deref());
        let metadata_url = resource.metadata_url().to_owned();
        Ok(Guard {
            shared: Arc::new(Shared {
                authenticator,
                hosts,
                resource,
                choice: self.choice,
                tenant_kind: self.tenant_kind,
                max_body_bytes: self.max_body_bytes,
                failures: Failures::new(self.failures),
                sessions: self.legacy_sessions.then(Sessions::default),
                requires: self.requires,
                templates: self.templates,
                listing,
                state,
            }),
            metadata,
            metadata_url,
        })
    }
}

/// The resource has the tenant in its path if and only if the authenticator takes it from there.
fn check_path(
    resource: &Resource,
    choice: Option<&TenantChoice>,
    kind: Option<TenantKind>,
) -> Result<(), ServerError> {
    let taken = choice.and_then(TenantChoice::path);
    let what = match (&taken, resource.is_per_tenant()) {
        (None, false) => return Ok(()),
        (Some(path), _) if path != resource.path() => format!(
            "the authenticator takes the tenant from the path `{path}`, and the resource's path is \
             `{}`; say `.resource(\"https://…{path}\")`",
            resource.path()
        ),
        (None, _) => format!(
            "the resource has the tenant in its path, and the authenticator does not take it from \
             there; say `.tenant_from_path(\"{}\")` to it",
            resource.path()
        ),
        (Some(_), _) if kind.is_none() => {
            "the authenticator takes the tenant from the path and does not say its kind; give \
             `Authenticator::tenant_kind`"
                .to_owned()
        }
        (Some(_), _) => return Ok(()),
    };
    Err(ServerError::configuration(what))
}

impl std::fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardBuilder")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
