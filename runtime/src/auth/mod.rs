//! From the credentials of one request to a [`Session`]: the trust boundary of the whole crate.
//!
//! Invariant: a session is built by [`AuthRequest::verified`] or by a [`LauncherAuthenticator`];
//! both are easy to find with a text search. An `AuthRequest` is handed out only while a request is
//! being authenticated, so code that runs later can't make a session. Beside that, background work
//! gets back the session that a call sealed into a ticket, and who holds a system pool may run a job
//! as each tenant (`background`).

mod api_key;
mod choice;
mod issuers;
mod jwt;
mod launcher;
mod request;
mod revocation;
mod scopes;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::id::TenantKind;
use crate::session::Session;

pub use api_key::{ApiKeyStore, ApiKeys, InvalidApiKeys, NewApiKey, Nobody, StoredApiKey};
pub use choice::{InvalidChoice, TenantChoice};
pub use issuers::Issuers;
pub use jsonwebtoken::Algorithm;
pub use jwt::{JwtAuthenticator, JwtAuthenticatorBuilder, JwtConfigError, TenantSpace};
pub use launcher::LauncherAuthenticator;
pub use request::{AuthRequest, Verified};
pub use revocation::{RevocationList, Revocations, Revoked, VerifiedToken};
pub(crate) use scopes::{Reach, ScopeRules, is_scope};

/// Turns the credentials of one request into a [`Session`].
///
/// It is asked for every request, whether or not the connection or a legacy MCP session has been
/// seen before. [`JwtAuthenticator`] is the usual one. Write your
/// own for API keys or another identity system; what it must do is the contract of
/// [`AuthRequest::verified`].
///
/// ```
/// use watertight::auth::{AuthError, AuthRequest, Authenticator};
/// use watertight::{Session, TenantId};
///
/// struct OneKey { key: String, tenant: TenantId }
///
/// impl Authenticator for OneKey {
///     async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
///         let token = request.bearer().ok_or_else(AuthError::missing)?;
///         if !constant_time_eq(token, &self.key) {
///             return Err(AuthError::rejected("unknown key"));
///         }
///         Ok(request.verified("https://example.com", "batch-job", self.tenant.clone()).into_session())
///     }
/// }
/// # fn constant_time_eq(a: &str, b: &str) -> bool { a == b }
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Verifies the credentials that came with this request.
    ///
    /// # Errors
    /// [`AuthError`] if there are none, or they are not valid, or that can't be found out now.
    fn authenticate(
        &self,
        request: AuthRequest<'_>,
    ) -> impl Future<Output = Result<Session, AuthError>> + Send;

    /// The authorization servers whose tokens are accepted, for the published metadata.
    fn issuers(&self) -> Vec<String> {
        Vec::new()
    }

    /// The kind of tenant identifier that this authenticator yields, if it is always the same.
    /// A server refuses to start if its database has tenants of another kind.
    fn tenant_kind(&self) -> Option<TenantKind> {
        None
    }

    /// How a request says which of several tenants it is for, if it does. A server refuses to start
    /// if a tool's argument could reach the same place.
    fn tenant_choice(&self) -> Option<TenantChoice> {
        None
    }
}

/// An [`Authenticator`] behind a pointer.
pub(crate) trait DynAuthenticator: Send + Sync + 'static {
    fn authenticate<'a>(
        &'a self,
        request: AuthRequest<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Session, AuthError>> + Send + 'a>>;
}

impl<A: Authenticator> DynAuthenticator for A {
    fn authenticate<'a>(
        &'a self,
        request: AuthRequest<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Session, AuthError>> + Send + 'a>> {
        Box::pin(Authenticator::authenticate(self, request))
    }
}

/// Why a request has no session. The reason is for the log; a client gets a generic answer.
pub struct AuthError {
    kind: AuthErrorKind,
    reason: Cow<'static, str>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The sort of an [`AuthError`], which decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthErrorKind {
    /// There are no credentials: 401 without an error code.
    Missing,
    /// The credentials are not valid: 401 `invalid_token`.
    Rejected,
    /// Whether they are valid can't be found out now: 503.
    Unavailable,
    /// The credentials are valid, and do not allow what the request chose: 403.
    Forbidden,
}

impl AuthErrorKind {
    /// What metrics and records call it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing_credentials",
            Self::Rejected => "invalid_credentials",
            Self::Unavailable => "unverifiable_credentials",
            Self::Forbidden => "foreign_tenant",
        }
    }
}

impl AuthError {
    /// The request carries no credentials.
    #[must_use]
    pub const fn missing() -> Self {
        Self {
            kind: AuthErrorKind::Missing,
            reason: Cow::Borrowed("no bearer token"),
            cause: None,
        }
    }

    /// The credentials are not valid. The reason is logged; it must not contain the credentials.
    #[must_use]
    pub fn rejected(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: AuthErrorKind::Rejected,
            reason: reason.into(),
            cause: None,
        }
    }

    /// The credentials can't be checked at the moment, for a reason that is not the client's.
    #[must_use]
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: AuthErrorKind::Unavailable,
            reason: reason.into(),
            cause: None,
        }
    }

    /// The credentials are valid and do not grant the tenant that the request chose, or it chose
    /// none. The reason is logged; it must not contain what the client sent.
    #[must_use]
    pub fn forbidden(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: AuthErrorKind::Forbidden,
            reason: reason.into(),
            cause: None,
        }
    }

    /// Adds the error that led to this one, for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What the answer will be.
    #[must_use]
    pub const fn kind(&self) -> AuthErrorKind {
        self.kind
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("kind", &self.kind)
            .field("reason", &self.reason)
            .field("cause", &self.cause)
            .finish()
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
