//! Sessions from JSON web tokens, verified by the `jsonwebtoken` crate.
//!
//! Invariant: the algorithm comes from the allow-list and from the key, never from the token alone;
//! a key verifies only the algorithms of its own family. What is not understood (a `crit` header, a
//! token of another type, a token bound to a proof of possession) is refused.

mod builder;
mod claims;
#[cfg(feature = "jwks")]
mod jwks;
mod keys;
mod space;
mod unique;
mod verified;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::{Error as TokenError, ErrorKind};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::{Map, Value};

use super::revocation::DynRevocations;
use super::{AuthError, AuthRequest, Authenticator, TenantChoice};
use crate::id::TenantKind;
use crate::session::Session;

pub use builder::{JwtAuthenticatorBuilder, JwtConfigError};
use claims::ClaimNames;
use keys::{Key, KeySet};
pub use space::TenantSpace;
use unique::says_nothing_twice;
use verified::{Cache, Fingerprint, Verified, fingerprint};

/// Longer tokens are refused unread. Far above what authorization servers issue.
pub(super) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What stands for the tenant of the path in an audience.
const TENANT_PLACE: &str = "{tenant}";

/// Verifies JSON web tokens: signature, algorithm, issuer, audience, expiry and not-before, and
/// takes tenant, subject and scopes from the claims.
///
/// ```no_run
/// use watertight::auth::JwtAuthenticator;
///
/// let auth = JwtAuthenticator::builder()
///     .issuer("https://id.example.com")
///     .audience("https://mcp.example.com/mcp")
///     .jwks_url("https://id.example.com/jwks.json")
///     .tenant_claim("org_id")
///     .build()?;
/// # Ok::<(), watertight::auth::JwtConfigError>(())
/// ```
///
/// One authenticator accepts one issuer: a tenant named by another issuer is another tenant, even
/// if it has the same id. [`Issuers`](crate::auth::Issuers) holds several.
pub struct JwtAuthenticator {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    leeway: u64,
    claims: ClaimNames,
    revocations: Option<Box<dyn DynRevocations>>,
    fixed_keys: KeySet,
    #[cfg(feature = "jwks")]
    jwks: Option<Arc<jwks::Jwks>>,
    verified: Cache,
}

impl JwtAuthenticator {
    /// Starts with the safe defaults: asymmetric algorithms only, a leeway of one minute, tenants
    /// that are uuids.
    pub fn builder() -> JwtAuthenticatorBuilder {
        JwtAuthenticatorBuilder::default()
    }

    async fn verify(&self, request: &AuthRequest<'_>) -> Result<Session, AuthError> {
        let token = request.bearer().ok_or_else(AuthError::missing)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::rejected("the token is too long"));
        }
        let audiences = self.audiences(request);
        let name = fingerprint(token);
        let claims = match self.verified_before(&name, &audiences).await? {
            Some(claims) => claims,
            None => self.verify_anew(token, name, &audiences).await?,
        };
        let leeway = Duration::from_secs(self.leeway);
        let session = self
            .claims
            .session(&self.issuer, &claims, request, leeway)?;
        self.check_revocation(&session, &claims).await?;
        Ok(session)
    }

    /// What a token says that was verified a moment ago, by a key that is still good.
    async fn verified_before(
        &self,
        name: &Fingerprint,
        audiences: &[String],
    ) -> Result<Option<Arc<Map<String, Value>>>, AuthError> {
        let Some(verified) = self.verified.find(name, audiences) else {
            return Ok(None);
        };
        let (id, algorithm) = (verified.key_id.as_deref(), verified.algorithm);
        if verified.is_by(self.fixed_keys.candidates(id, algorithm)) {
            return Ok(Some(verified.claims));
        }
        #[cfg(feature = "jwks")]
        if let Some(jwks) = &self.jwks {
            let fetched = jwks.keys_for(id, algorithm).await?;
            if verified.is_by(fetched.candidates(id, algorithm)) {
                return Ok(Some(verified.claims));
            }
        }
        Ok(None)
    }

    async fn verify_anew(
        &self,
        token: &str,
        name: Fingerprint,
        audiences: &[String],
    ) -> Result<Arc<Map<String, Value>>, AuthError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| {
            AuthError::rejected("the token's header is malformed").because(told(&error))
        })?;
        self.check_header(&header)?;
        let (key, claims) = self.check_signature(token, &header, audiences).await?;
        if !says_nothing_twice(token) {
            return Err(AuthError::rejected("the token says something twice"));
        }
        let claims = Arc::new(claims);
        if let Some(verified) = Verified::new(&header, &key, audiences, Arc::clone(&claims)) {
            self.verified.keep(name, verified);
        }
        Ok(claims)
    }

    async fn check_revocation(
        &self,
        session: &Session,
        claims: &Map<String, Value>,
    ) -> Result<(), AuthError> {
        let Some(revocations) = &self.revocations else {
            return Ok(());
        };
        let token = claims::verified(session, claims);
        match revocations.judge(token).await? {
            false => Ok(()),
            true => Err(AuthError::rejected("the token was revoked")),
        }
    }

    /// The exact `iss` claim.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Refuses two authenticators whose tokens could name the same tenant.
    pub(super) fn apart_from(&self, other: &Self) -> Result<(), JwtConfigError> {
        let (one, two) = (&self.issuer, &other.issuer);
        if one == two {
            return Err(JwtConfigError(format!("the issuer `{one}` is given twice")));
        }
        if self.claims.tenant_kind != other.claims.tenant_kind {
            return Err(JwtConfigError(format!(
                "the tenants of `{one}` are of kind {:?}, those of `{two}` of kind {:?}; one \
                 database has tenants of one kind",
                self.claims.tenant_kind, other.claims.tenant_kind
            )));
        }
        for it in [self, other] {
            if it.claims.space.is_none() {
                return Err(JwtConfigError(format!(
                    "`{}` is one of several issuers and could name the others' tenants; give it a \
                     space of its own: `.tenant_space(TenantSpace::derived())`, `prefixed` or `listed`",
                    it.issuer
                )));
            }
        }
        match (&self.claims.space, &other.claims.space) {
            (Some(space), Some(others)) if space.overlaps(others) => Err(JwtConfigError(format!(
                "`{one}` and `{two}` could name the same tenant; give each a space of its own"
            ))),
            _ => Ok(()),
        }
    }

    /// The audiences that are right for this request: `{tenant}` stands for the tenant in its path,
    /// whether or not the caller may use it.
    fn audiences(&self, request: &AuthRequest<'_>) -> Vec<String> {
        let named = || {
            let (_, choice) = self.claims.tenants.as_ref()?;
            let parts = request.http_parts()?;
            choice.named_in_path(&parts.uri, &parts.extensions, self.claims.tenant_kind)
        };
        let fill = |audience: &String| match audience.contains(TENANT_PLACE) {
            false => Some(audience.clone()),
            true => Some(audience.replace(TENANT_PLACE, &named()?.as_setting())),
        };
        self.audiences.iter().filter_map(fill).collect()
    }

    fn check_header(&self, header: &Header) -> Result<(), AuthError> {
        if !self.algorithms.contains(&header.alg) {
            return Err(AuthError::rejected(
                "the token's algorithm is not on the allow-list",
            ));
        }
        // RFC 7515, 4.1.11: an extension that must be understood, and none is.
        if header.crit.is_some() {
            return Err(AuthError::rejected(
                "the token has critical header parameters",
            ));
        }
        // RFC 8725, 3.11: a logout token or a security event from the same issuer is no access
        // token. RFC 9068 names `at+jwt`; most issuers say `JWT` or nothing.
        let access_token = header.typ.as_deref().is_none_or(|typ| {
            let typ = typ.to_ascii_lowercase();
            matches!(
                typ.strip_prefix("application/").unwrap_or(&typ),
                "jwt" | "at+jwt"
            )
        });
        if !access_token {
            return Err(AuthError::rejected("the token is not an access token"));
        }
        Ok(())
    }

    async fn check_signature(
        &self,
        token: &str,
        header: &Header,
        audiences: &[String],
    ) -> Result<(Arc<Key>, Map<String, Value>), AuthError> {
        let (kid, algorithm) = (header.kid.as_deref(), header.alg);
        let mut failure =
            match self.try_keys(token, audiences, self.fixed_keys.candidates(kid, algorithm)) {
                Ok(verified) => return Ok(verified),
                Err(failure) => failure,
            };
        #[cfg(feature = "jwks")]
        if let Some(jwks) = &self.jwks {
            let fetched = jwks.keys_for(kid, algorithm).await?;
            failure = match self.try_keys(token, audiences, fetched.candidates(kid, algorithm)) {
                Ok(verified) => return Ok(verified),
                Err(error) => error.or(failure),
            };
        }
        Err(match failure.0 {
            None => AuthError::rejected("no key fits the token's key id and algorithm"),
            Some(error) => AuthError::rejected("the token is not valid").because(told(&error)),
        })
    }

    fn try_keys<'k>(
        &self,
        token: &str,
        audiences: &[String],
        keys: impl Iterator<Item = &'k Arc<Key>>,
    ) -> Result<(Arc<Key>, Map<String, Value>), Failure> {
        let mut failure = Failure(None);
        for key in keys {
            match jsonwebtoken::decode::<Map<String, Value>>(
                token,
                key.decoding(),
                &self.validation(key, audiences),
            ) {
                Ok(data) => return Ok((Arc::clone(key), data.claims)),
                Err(error) => failure = Failure(Some(error)),
            }
        }
        Err(failure)
    }

    /// The rules for one key: the algorithms on the allow-list that this key is for.
    fn validation(&self, key: &Key, audiences: &[String]) -> Validation {
        // The argument is a placeholder for the list that replaces it.
        let mut rules = Validation::new(Algorithm::RS256);
        rules.algorithms = key.algorithms().to_vec();
        rules.leeway = self.leeway;
        rules.validate_exp = true;
        rules.validate_nbf = true;
        rules.validate_aud = true;
        rules.set_audience(audiences);
        rules.set_issuer(&[&self.issuer]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules
    }
}

/// Why no key verified the token; nothing inside if there was no key to try.
struct Failure(Option<TokenError>);

#[cfg(feature = "jwks")]
impl Failure {
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

/// What the log is told of a token that failed. The library's own words may quote it.
fn told(error: &TokenError) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "it is another issuer's",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            "a claim is missing or malformed"
        }
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "its algorithm is not the key's"
        }
        ErrorKind::Json(_) => "it is not JSON as tokens have it",
        _ => "it is malformed",
    }
}

impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        self.verify(&request).await
    }

    fn issuers(&self) -> Vec<String> {
        vec![self.issuer.clone()]
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        Some(self.claims.tenant_kind)
    }

    fn tenant_choice(&self) -> Option<TenantChoice> {
        let (_, choice) = self.claims.tenants.as_ref()?;
        Some(choice.clone())
    }
}

// By hand: keys stay out of logs, shared secrets above all.
impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthenticator")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
