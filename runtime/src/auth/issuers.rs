//! Several issuers in front of one server, each with tenants of its own.
//!
//! Invariant: a token is verified by the authenticator of the issuer that it names, with that issuer's
//! keys alone; and the spaces of tenants have no tenant in common, or the server does not start.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::jwt::{JwtAuthenticator, JwtConfigError, MAX_TOKEN_BYTES};
use super::{AuthError, AuthRequest, Authenticator, TenantChoice};
use crate::id::TenantKind;
use crate::session::Session;

/// Accepts the tokens of several issuers.
///
/// Each issuer needs a [`TenantSpace`](super::TenantSpace), so that no issuer can name a tenant of
/// another's: what `acme`'s provider calls `42` is not what `beta`'s calls `42`. The audit trail names
/// the issuer beside the subject.
///
/// ```
/// # use watertight::auth::{Issuers, JwtAuthenticator, TenantSpace};
/// # let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let issuer = |url: &str, space| {
///     JwtAuthenticator::builder()
///         .issuer(url)
///         .audience("https://mcp.example.com/mcp")
///         .jwk_set(keys) // or `.discover(url)` in the place of `.issuer(url)`
///         .tenant_claim("org")
///         .tenant_space(space)
///         .build()
/// };
/// let auth = Issuers::new([
///     issuer("https://id.acme.example", TenantSpace::prefixed("acme"))?,
///     issuer("https://login.beta.example", TenantSpace::prefixed("beta"))?,
/// ])?;
/// # let _ = auth;
/// # Ok::<(), watertight::auth::JwtConfigError>(())
/// ```
pub struct Issuers(Vec<JwtAuthenticator>);

impl Issuers {
    /// Checks that the issuers differ, and that their tenants do.
    ///
    /// # Errors
    /// If there is none, if two are one, or if a tenant could be in the spaces of two of them.
    pub fn new(
        authenticators: impl IntoIterator<Item = JwtAuthenticator>,
    ) -> Result<Self, JwtConfigError> {
        let all: Vec<_> = authenticators.into_iter().collect();
        if all.is_empty() {
            return Err(JwtConfigError("no issuer among `Issuers`".into()));
        }
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                one.apart_from(other)?;
            }
        }
        Ok(Self(all))
    }
}

/// As much of a token as tells who is to verify it. Nothing is believed yet.
#[derive(Deserialize)]
struct Named {
    iss: String,
}

fn named(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload) = (parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let Named { iss } = serde_json::from_slice(&payload).ok()?;
    Some(iss)
}

impl Authenticator for Issuers {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        let token = request.bearer().ok_or_else(AuthError::missing)?;
        let issuer = match token.len() {
            0..=MAX_TOKEN_BYTES => named(token),
            _ => None,
        };
        let authenticator = self
            .0
            .iter()
            .find(|it| issuer.as_deref() == Some(it.issuer()));
        match authenticator {
            Some(authenticator) => authenticator.authenticate(request).await,
            None => Err(AuthError::rejected(
                "the token names no issuer of this server",
            )),
        }
    }

    fn issuers(&self) -> Vec<String> {
        self.0.iter().map(|it| it.issuer().to_owned()).collect()
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        self.0.first().and_then(Authenticator::tenant_kind)
    }

    /// One that stands alone may take the tenant from the request; several have spaces instead.
    fn tenant_choice(&self) -> Option<TenantChoice> {
        self.0.iter().find_map(Authenticator::tenant_choice)
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuers").field(&self.issuers()).finish()
    }
}
