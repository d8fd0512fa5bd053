//! Serving over standard input and output, on behalf of one identity.
//!
//! Invariant: every message gets its caller here, from an identity that is verified again for that
//! message, so that an expired token stops working in the middle of a connection; and everything
//! that is sent passes the tripwire.

use std::pin::Pin;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, JsonRpcError, ServerJsonRpcMessage, ServerResult};
use rmcp::service::{RxJsonRpcMessage, ServiceExt, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};

use super::caller::{Caller, ServerState};
use super::error::ServerError;
use super::handler::McpServer;
use crate::auth::{AuthError, AuthRequest, DynAuthenticator, LauncherAuthenticator};
use crate::error::{Reference, ToolError};
use crate::id::TenantKind;
use crate::session::Session;
use crate::subscription::Notifier;

/// On whose behalf a stdio server runs.
pub struct StdioIdentity(Source);

enum Source {
    Launcher(LauncherAuthenticator),
    Environment(String),
}

impl StdioIdentity {
    /// The token in this environment variable, verified by the server's authenticator like a token
    /// that came over HTTP.
    #[must_use]
    pub fn token_from(variable: impl Into<String>) -> Self {
        Self(Source::Environment(variable.into()))
    }

    pub(super) fn resolve(
        self,
        authenticator: Option<&Arc<dyn DynAuthenticator>>,
    ) -> Result<Identity, ServerError> {
        let variable = match self.0 {
            Source::Launcher(launcher) => return Ok(Identity::Launcher(launcher)),
            Source::Environment(variable) => variable,
        };
        let Some(authenticator) = authenticator else {
            return Err(ServerError::configuration(
                "a token needs an authenticator; add `.authenticator(…)`",
            ));
        };
        match std::env::var(&variable) {
            Ok(token) if !token.is_empty() => Ok(Identity::Token {
                token,
                authenticator: Arc::clone(authenticator),
            }),
            _ => Err(ServerError::configuration(format!(
                "the environment variable `{variable}` must hold the token"
            ))),
        }
    }
}

impl From<LauncherAuthenticator> for StdioIdentity {
    fn from(launcher: LauncherAuthenticator) -> Self {
        Self(Source::Launcher(launcher))
    }
}

// By hand, although only the variable's name is in it: it stands for credentials.
impl std::fmt::Debug for StdioIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Source::Launcher(_) => "StdioIdentity(launcher)",
            Source::Environment(_) => "StdioIdentity(token)",
        })
    }
}

/// An identity that can be asked for its session.
pub(super) enum Identity {
    Launcher(LauncherAuthenticator),
    Token {
        token: String,
        authenticator: Arc<dyn DynAuthenticator>,
    },
}

impl Identity {
    async fn session(&self) -> Result<Session, AuthError> {
        match self {
            Self::Launcher(launcher) => Ok(launcher.session().clone()),
            Self::Token {
                token,
                authenticator,
            } => authenticator.authenticate(AuthRequest::token(token)).await,
        }
    }

    /// The launcher's; an authenticator has told its own to the builder.
    pub(super) const fn tenant_kind(&self) -> Option<TenantKind> {
        match self {
            Self::Launcher(launcher) => Some(launcher.tenant_kind()),
            Self::Token { .. } => None,
        }
    }
}

/// An MCP server over standard input and output.
///
/// Standard output belongs to the protocol: send logs to standard error.
#[must_use = "a server does nothing until `serve`"]
pub struct StdioServer {
    handler: McpServer,
    identity: Identity,
    state: Arc<ServerState>,
}

impl StdioServer {
    pub(super) fn new(handler: McpServer, identity: Identity, state: Arc<ServerState>) -> Self {
        state.notify_by(handler.beyond().notifier());
        Self {
            handler,
            identity,
            state,
        }
    }

    /// What tells the client that a resource has changed, for changes outside of a call.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.handler.beyond().notifier()
    }

    /// Serves until the client closes its end.
    ///
    /// # Errors
    /// [`ServerError::Credentials`] if the identity is not accepted to begin with, and
    /// [`ServerError::Io`] if the streams fail.
    pub async fn serve(self) -> Result<(), ServerError> {
        let (input, output) = rmcp::transport::stdio();
        self.serve_streams(input, output).await
    }

    /// Serves over any two streams, with the same framing: one JSON message a line.
    ///
    /// # Errors
    /// As [`StdioServer::serve`].
    pub async fn serve_streams(
        self,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Result<(), ServerError> {
        let session = self.identity.session().await.map_err(|error| {
            refuse(Reference::random(), &error);
            ServerError::Credentials(error)
        })?;
        let state = Arc::clone(&self.state);
        let transport = Verified {
            inner: AsyncRwTransport::new_server(input, output),
            identity: self.identity,
            state: self.state,
            session,
            unverified: None,
            refusing: None,
        };
        let running = self.handler.serve(transport).await;
        let running = running.map_err(|error| ServerError::Io(std::io::Error::other(error)))?;
        let ended = running.waiting().await;
        state.audit().flush().await;
        ended
            .map(drop)
            .map_err(|error| ServerError::Io(std::io::Error::other(error)))
    }
}

impl std::fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdioServer")
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}

/// A message without a tenant has no trail; its record is the log's.
fn refuse(reference: Reference, error: &AuthError) {
    let kind = error.kind().as_str();
    tracing::warn!(target: "watertight::audit", %reference, outcome = "refused", kind, reason = %error, "no tenant");
}

type Sending<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;

/// A transport whose messages are verified on the way in and scanned on the way out.
struct Verified<T: Transport<RoleServer>> {
    inner: T,
    identity: Identity,
    state: Arc<ServerState>,
    /// Of the latest message; what is sent is scanned for its tenant.
    session: Session,
    /// A message that was read and not verified yet. `receive` may be dropped in between.
    unverified: Option<RxJsonRpcMessage<RoleServer>>,
    /// The answer to a message that was refused, on its way. The same holds for it.
    refusing: Option<Sending<T::Error>>,
}

impl<T: Transport<RoleServer>> Verified<T> {
    /// What may be sent in place of `message`; `None` for what nobody waits for.
    fn scan(&self, message: ServerJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        let reference = Reference::random();
        let found = match serde_json::to_vec(&message) {
            Ok(bytes) => self.state.tripwire(&self.session).finds(&bytes),
            // It could not be sent either; the transport reports that.
            Err(_) => false,
        };
        if !found {
            return Some(message);
        }
        tracing::error!(
            %reference,
            "tripwire: a message contained the tenant's own identifier and was withheld"
        );
        match message {
            ServerJsonRpcMessage::Response(response) => Some(match response.result {
                ServerResult::CallToolResult(_) => {
                    let error = ToolError::internal("withheld").into_result(reference, "");
                    ServerJsonRpcMessage::response(ServerResult::CallToolResult(error), response.id)
                }
                _ => failure(Some(response.id), "internal error", reference),
            }),
            ServerJsonRpcMessage::Error(error) => {
                Some(failure(error.id, "internal error", reference))
            }
            ServerJsonRpcMessage::Request(_) | ServerJsonRpcMessage::Notification(_) => None,
        }
    }
}

fn failure(
    id: Option<rmcp::model::RequestId>,
    what: &str,
    reference: Reference,
) -> ServerJsonRpcMessage {
    let error = ErrorData::internal_error(format!("{what} (reference {reference})"), None);
    ServerJsonRpcMessage::Error(JsonRpcError::new(id, error))
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Verified<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let sending = self.scan(item).map(|item| self.inner.send(item));
        async move {
            match sending {
                Some(sending) => sending.await,
                None => Ok(()),
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(refusing) = &mut self.refusing {
                // A client that is gone is noticed by the next read.
                let _ = refusing.await;
                self.refusing = None;
            }
            if self.unverified.is_none() {
                self.unverified = Some(self.inner.receive().await?);
            }
            let verified = self.identity.session().await;
            let mut message = self.unverified.take()?;
            let reference = Reference::random();
            match verified {
                Ok(session) => {
                    self.session = session.clone();
                    message.insert_extension(Caller::new(
                        session,
                        Arc::clone(&self.state),
                        reference,
                    ));
                    return Some(message);
                }
                Err(error) => {
                    refuse(reference, &error);
                    if let RxJsonRpcMessage::<RoleServer>::Request(request) = message {
                        let answer = failure(Some(request.id), "the token is not valid", reference);
                        self.refusing = Some(Box::pin(self.inner.send(answer)));
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use serde_json::{Value, json};
    use tokio::sync::Notify;

    use super::*;
    use crate::auth::Nobody;
    use crate::id::TenantId;

    /// Messages to be read, and what was sent; each sending waits until it is let through.
    #[derive(Default)]
    struct Wire {
        incoming: Vec<RxJsonRpcMessage<RoleServer>>,
        sent: Arc<Mutex<Vec<Value>>>,
        let_through: Arc<Notify>,
    }

    impl Transport<RoleServer> for Wire {
        type Error = Infallible;

        fn send(
            &mut self,
            item: TxJsonRpcMessage<RoleServer>,
        ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
            let (sent, let_through) = (Arc::clone(&self.sent), Arc::clone(&self.let_through));
            async move {
                let_through.notified().await;
                let message = serde_json::to_value(&item).unwrap();
                sent.lock().unwrap().push(message);
                Ok(())
            }
        }

        fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
            std::future::ready(self.incoming.pop())
        }

        async fn close(&mut self) -> Result<(), Infallible> {
            Ok(())
        }
    }

    /// rmcp drops `receive` whenever something else is to be done first.
    #[tokio::test]
    async fn a_refused_request_is_answered_however_often_receive_is_dropped() {
        let request = |id: i64| {
            let text = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
            serde_json::from_value::<RxJsonRpcMessage<RoleServer>>(text).unwrap()
        };
        let wire = Wire {
            incoming: vec![request(2), request(1)],
            ..Wire::default()
        };
        let (sent, let_through) = (Arc::clone(&wire.sent), Arc::clone(&wire.let_through));
        let launcher = LauncherAuthenticator::new("test", "alice", TenantId::bigint(1));
        let rules = crate::auth::ScopeRules::default();
        let mut transport = Verified {
            inner: wire,
            identity: Identity::Token {
                token: "x".to_owned(),
                authenticator: Arc::new(Nobody),
            },
            state: Arc::new(ServerState::new(None, rules)),
            session: launcher.session().clone(),
            unverified: None,
            refusing: None,
        };
        for _ in 0..5 {
            assert!(transport.receive().now_or_never().is_none());
        }
        assert_eq!(*sent.lock().unwrap(), [json!(null); 0]);
        let_through.notify_one();
        assert!(transport.receive().now_or_never().is_none());
        let_through.notify_one();
        // The end of the stream, after both answers.
        assert!(transport.receive().await.is_none());
        let ids: Vec<_> = sent
            .lock()
            .unwrap()
            .iter()
            .map(|it| it["id"].clone())
            .collect();
        assert_eq!(ids, [1, 2]);
    }
}
