//! What travels with one request: the verified session and the server that serves it.
//!
//! Invariant: a `Caller` is put into a request by the guard (HTTP) or by the stdio transport, both
//! after verification. The type is private to this crate, so no other code can put one there.

use std::sync::Arc;

use crate::session::Session;

/// What all requests of one server share.
#[derive(Debug)]
pub(crate) struct ServerState {}

/// The verified caller of one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    session: Session,
    state: Arc<ServerState>,
}

impl Caller {
    pub(crate) fn new(session: Session, state: Arc<ServerState>) -> Self {
        Self { session, state }
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
}
