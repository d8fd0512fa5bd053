//! What an authenticator gets to see of a request, and the door from there to a session.
//!
//! Invariant: the constructors are private to this crate, and an `AuthRequest` lives no longer
//! than the call of the authenticator, so `verified` is reachable nowhere else.

use std::fmt;
use std::time::SystemTime;

use http::request::Parts;

use crate::id::TenantId;
use crate::session::{Grant, Session};

/// The credentials of one request, while it is being authenticated.
pub struct AuthRequest<'a> {
    bearer: Option<&'a str>,
    parts: Option<&'a Parts>,
}

impl<'a> AuthRequest<'a> {
    pub(crate) const fn http(bearer: Option<&'a str>, parts: &'a Parts) -> Self {
        Self {
            bearer,
            parts: Some(parts),
        }
    }

    pub(crate) const fn token(bearer: &'a str) -> Self {
        Self {
            bearer: Some(bearer),
            parts: None,
        }
    }

    /// The token of the `Authorization: Bearer …` header, or of the environment over stdio.
    #[must_use]
    pub const fn bearer(&self) -> Option<&'a str> {
        self.bearer
    }

    /// Method, path, headers and extensions of the HTTP request; `None` over stdio.
    ///
    /// Headers are what the client says. A tenant may be taken from one only after it has been
    /// checked against what the verified credentials grant.
    #[must_use]
    pub const fn http_parts(&self) -> Option<&'a Parts> {
        self.parts
    }

    /// **The trust boundary.** States that this request's credentials were verified, and that they
    /// grant `subject`, known to `issuer`, access to `tenant`. Everything behind this point takes
    /// it as the truth.
    ///
    /// Before calling it, an authenticator must have established, from this request alone, that
    /// - the credentials were issued by `issuer`, for this server, and are valid now, and
    /// - `tenant` follows from what the issuer says, and not from anything that the client chose;
    ///   or the client chose it ([`TenantChoice`](super::TenantChoice)) from the set that these
    ///   very credentials grant, and the choice was checked against the set.
    pub fn verified(
        &self,
        issuer: impl Into<String>,
        subject: impl Into<String>,
        tenant: TenantId,
    ) -> Verified {
        Verified(Grant {
            issuer: issuer.into(),
            subject: subject.into(),
            tenant,
            home: None,
            scopes: Vec::new(),
            client: None,
            expires_at: None,
        })
    }
}

// By hand: the derived form would print the token and the headers.
impl fmt::Debug for AuthRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRequest")
            .field("bearer", &self.bearer.map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// What was verified, on its way to a [`Session`].
#[must_use = "a session is made by `into_session`"]
pub struct Verified(pub(super) Grant);

impl Verified {
    /// The scopes that were granted. None, unless this is called.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.0.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Where the principal belongs, if the tenant was chosen from several that the credentials
    /// grant. It is recorded beside the tenant in the audit trail.
    pub fn home_tenant(mut self, tenant: TenantId) -> Self {
        self.0.home = Some(tenant);
        self
    }

    /// When the credentials stop being valid. Streams that outlive it are ended.
    pub fn expires_at(mut self, when: SystemTime) -> Self {
        self.0.expires_at = Some(when);
        self
    }

    /// The OAuth client that obtained the credentials.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.0.client = Some(client.into());
        self
    }

    /// The session; immutable from here on.
    #[must_use]
    pub fn into_session(self) -> Session {
        Session::from_grant(self.0)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("issuer", &self.0.issuer)
            .finish_non_exhaustive()
    }
}
