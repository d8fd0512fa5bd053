//! Serving over HTTP.
//!
//! Invariant: the MCP service is reachable through the guard and in no other way; beside it there
//! is only the public metadata.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::CancellationToken;

use super::builder::ServerBuilder;
use super::error::ServerError;
use super::guard::Guard;
use super::handler::McpServer;
use crate::subscription::Notifier;

type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An MCP server over HTTP, guarded, ready to serve.
///
/// ```no_run
/// # use watertight::{Server, TenantPool, auth::JwtAuthenticator};
/// # async fn example(pool: TenantPool, auth: JwtAuthenticator) -> Result<(), Box<dyn std::error::Error>> {
/// Server::builder()
///     .name("crm")
///     .pool(pool)
///     .authenticator(auth)
///     .resource("https://mcp.example.com/mcp")
///     .build()?
///     .serve("127.0.0.1:8080")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a server does nothing until `serve`"]
pub struct Server {
    handler: McpServer,
    guard: Guard,
    legacy_sessions: bool,
    json_response: bool,
    shutdown: Option<Shutdown>,
    /// Ends streams and sessions when the server shuts down; they would keep it waiting.
    ending: CancellationToken,
}

impl Server {
    /// Starts with the safe defaults.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    pub(super) fn new(
        handler: McpServer,
        guard: Guard,
        legacy_sessions: bool,
        json_response: bool,
    ) -> Self {
        let ending = CancellationToken::new();
        guard.state().notify_by(handler.beyond().notifier());
        Self {
            handler,
            guard,
            legacy_sessions,
            json_response,
            shutdown: None,
            ending,
        }
    }

    /// Stops accepting connections when `signal` completes, lets the calls that are under way
    /// finish, and writes the audit records that are still waiting.
    pub fn with_graceful_shutdown(
        mut self,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.shutdown = Some(Box::pin(signal));
        self
    }

    /// What tells clients that a resource has changed, for changes outside of a call. In a call,
    /// use [`ToolContext::notify_resource_updated`](crate::ToolContext::notify_resource_updated).
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.handler.beyond().notifier()
    }

    /// The guard in front of the server.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The server as an axum router, to be merged into a larger application: the MCP endpoint at
    /// the resource's path, behind the guard, and the public metadata.
    ///
    /// Serve it with `TCP_NODELAY` set, or event streams wait for acknowledgements. Keep the
    /// [`guard`](Server::guard), and await its [`flush`](Guard::flush) when yours has stopped: audit
    /// records that still wait are written then.
    pub fn into_router(self) -> Router {
        self.router()
    }

    fn router(&self) -> Router {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(self.legacy_sessions)
            .with_json_response(self.json_response)
            .with_cancellation_token(self.ending.clone())
            // The guard has checked both against the resource, and has read the body within its
            // own limit.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(usize::MAX);
        let handler = self.handler.clone();
        let mcp = StreamableHttpService::new(
            move || Ok(handler.clone()),
            Arc::<LocalSessionManager>::default(),
            config,
        );
        Router::new()
            .route_service(self.guard.path(), self.guard.protect(mcp))
            .merge(self.guard.metadata_routes())
    }

    /// Serves on an address until the process ends, or until the shutdown signal.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the address can't be listened on.
    pub async fn serve(self, address: impl ToSocketAddrs) -> Result<(), ServerError> {
        let listener = TcpListener::bind(address).await?;
        self.serve_listener(listener).await
    }

    /// Serves on a listener that is already bound.
    ///
    /// # Errors
    /// [`ServerError::Io`] if the listener fails.
    pub async fn serve_listener(mut self, listener: TcpListener) -> Result<(), ServerError> {
        let router = self.router();
        // Nagle's algorithm would hold back an event until the client acknowledges the last one.
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
        });
        let state = Arc::clone(self.guard.state());
        // The address of each connection, for the limit of failed authentications.
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let serve = axum::serve(listener, router);
        match self.shutdown.take() {
            None => serve.await?,
            Some(signal) => {
                let ending = self.ending.clone();
                let signal = async move {
                    signal.await;
                    ending.cancel();
                };
                serve.with_graceful_shutdown(signal).await?;
            }
        }
        state.audit().flush().await;
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("handler", &self.handler)
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}
