//! Keeps the sessions that the authenticator made, so that a test can have one.
//!
//! Invariant: it makes none itself. What it hands out went through the verification of a token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use watertight::auth::{AuthError, AuthRequest, Authenticator, JwtAuthenticator};
use watertight::{Session, TenantId, TenantKind};

#[derive(Clone)]
pub(crate) struct Recorder(Arc<Inner>);

struct Inner {
    jwt: JwtAuthenticator,
    sessions: Mutex<HashMap<TenantId, Session>>,
}

impl Recorder {
    pub(crate) fn new(jwt: JwtAuthenticator) -> Self {
        Self(Arc::new(Inner {
            jwt,
            sessions: Mutex::default(),
        }))
    }

    pub(crate) fn session_of(&self, tenant: &TenantId) -> Option<Session> {
        let sessions = self
            .0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.get(tenant).cloned()
    }
}

impl Authenticator for Recorder {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        let session = Authenticator::authenticate(&self.0.jwt, request).await?;
        let mut sessions = self
            .0
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.tenant().clone(), session.clone());
        Ok(session)
    }

    fn issuers(&self) -> Vec<String> {
        self.0.jwt.issuers()
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        self.0.jwt.tenant_kind()
    }
}
