//! The guard: verifies every HTTP request in front of an MCP service, ours or any other.
//!
//! Invariant: the parts agree with each other because one builder makes them from one resource
//! URL: the layer, the published metadata, the accepted hosts and the challenge.

mod hosts;
mod incoming;
mod layer;
mod outgoing;
mod refusal;
mod resource;
mod sessions;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;

use crate::auth::{Authenticator, DynAuthenticator};
use crate::db::TenantPool;
use crate::id::TenantKind;
use crate::sealed::{Sealer, SealingKey};
use crate::server::ServerError;
use crate::server::caller::ServerState;

use hosts::Hosts;
pub use layer::{GuardLayer, GuardService};
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
    resource: Resource,
    metadata: serde_json::Value,
}

/// What all clones of the layer share.
pub(crate) struct Shared {
    authenticator: Arc<dyn DynAuthenticator>,
    hosts: Hosts,
    metadata_url: String,
    max_body_bytes: usize,
    /// Present if legacy sessions are on.
    sessions: Option<Sessions>,
    /// Scopes by tool.
    requires: BTreeMap<String, Vec<String>>,
    state: Arc<ServerState>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard")
            .field("metadata_url", &self.metadata_url)
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
            pool: None,
            resource: None,
            authorization_servers: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            max_body_bytes: MAX_BODY_BYTES,
            legacy_sessions: false,
            requires: BTreeMap::new(),
            name: None,
            sealing_keys: Vec::new(),
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
        self.resource.metadata_router(&self.metadata)
    }

    /// Where clients find the metadata.
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.shared.metadata_url
    }

    /// The path of the resource, where the MCP service belongs.
    #[must_use]
    pub fn path(&self) -> &str {
        self.resource.path()
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
    pool: Option<TenantPool>,
    resource: Option<String>,
    authorization_servers: Vec<String>,
    hosts: Vec<String>,
    origins: Vec<String>,
    max_body_bytes: usize,
    legacy_sessions: bool,
    requires: BTreeMap<String, Vec<String>>,
    name: Option<String>,
    sealing_keys: Vec<SealingKey>,
}

impl GuardBuilder {
    /// Who verifies the credentials. Required.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.issuers = authenticator.issuers();
        self.tenant_kind = authenticator.tenant_kind();
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

    /// Accepts legacy MCP sessions, each tied to the principal that opened it. Turn them on in the
    /// transport as well.
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
        let state = ServerState::new(self.pool.clone());
        Ok(Arc::new(state.sealed_with(Sealer::new(&self.sealing_keys))))
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If one is missing or malformed, or the authenticator yields another kind of tenant than the
    /// database has.
    pub fn build(self) -> Result<Guard, ServerError> {
        let state = self.state_for(None)?;
        let resource = self.parse_resource()?;
        let Some(authenticator) = self.authenticator else {
            return Err(ServerError::configuration(
                "no authenticator; add `.authenticator(JwtAuthenticator::builder()…)`",
            ));
        };
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
        Ok(Guard {
            shared: Arc::new(Shared {
                authenticator,
                hosts,
                metadata_url: resource.metadata_url(),
                max_body_bytes: self.max_body_bytes,
                sessions: self.legacy_sessions.then(Sessions::default),
                requires: self.requires,
                state,
            }),
            resource,
            metadata,
        })
    }
}

fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl std::fmt::Debug for GuardBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardBuilder")
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}
