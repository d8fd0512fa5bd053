//! The configuration of a [`JwtAuthenticator`], checked as a whole before it is used.
//!
//! Invariant: every mistake is found by `build`, with a message that says what to write; nothing
//! is left to the first request.

use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::claims::ClaimNames;
#[cfg(feature = "jwks")]
use super::jwks::{Jwks, Source};
use super::keys::{Key, KeySet};
use super::space::TenantSpace;
use super::verified::Cache;
use super::{JwtAuthenticator, TENANT_PLACE};
use crate::auth::TenantChoice;
use crate::auth::revocation::{DynRevocations, Revocations};
use crate::id::TenantKind;

/// More than that is no clock skew.
const MAX_LEEWAY: Duration = Duration::from_secs(600);

/// How many verified tokens are kept unless the builder says otherwise: a few megabytes.
const VERIFIED_TOKENS: usize = 4096;

/// What is accepted unless the allow-list says otherwise: every asymmetric algorithm.
const ASYMMETRIC: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
const SYMMETRIC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// A mistake in the configuration of a [`JwtAuthenticator`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JWT authenticator: {0}")]
pub struct JwtConfigError(pub(in crate::auth) String);

fn mistake<T>(what: impl Into<String>) -> Result<T, JwtConfigError> {
    Err(JwtConfigError(what.into()))
}

/// Collects the settings of a [`JwtAuthenticator`].
#[must_use = "nothing happens until `build`"]
#[derive(Default)]
pub struct JwtAuthenticatorBuilder {
    issuer: Option<String>,
    audiences: Vec<String>,
    algorithms: Option<Vec<Algorithm>>,
    leeway: Option<Duration>,
    tenant_claim: Option<String>,
    tenants_claim: Option<String>,
    tenant_header: Option<String>,
    tenant_path: Option<String>,
    tenant_kind: Option<TenantKind>,
    scopes_claim: Option<String>,
    space: Option<TenantSpace>,
    revocations: Option<Box<dyn DynRevocations>>,
    pems: Vec<(Option<String>, Algorithm, Vec<u8>)>,
    key_sets: Vec<Vec<u8>>,
    secret: Option<Vec<u8>>,
    verified_tokens: Option<usize>,
    #[cfg(feature = "jwks")]
    jwks_url: Option<String>,
    #[cfg(feature = "jwks")]
    discover: bool,
    #[cfg(feature = "jwks")]
    refetch_interval: Option<Duration>,
}

impl JwtAuthenticatorBuilder {
    /// The `iss` claim, compared exactly. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The `iss` claim, whose keys are found by discovery: the issuer's
    /// `/.well-known/openid-configuration`, or `/.well-known/oauth-authorization-server`, names its JWK
    /// set. `https`, or `http` on a loopback address. Read when the keys are, and again whenever they
    /// are read again.
    #[cfg(feature = "jwks")]
    pub fn discover(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self.discover = true;
        self
    }

    /// A value that the `aud` claim must contain: the server's own resource URL. Required; call it
    /// again for further names of the same server. Where the tenant is in the path, write
    /// `{tenant}` there: then a token for one tenant's URL is good for that tenant's URL alone.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The allow-list of algorithms. Without it: all asymmetric ones, or, with a shared secret,
    /// the HMAC ones.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How far the clocks of issuer and server may differ. A minute by default, ten at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// The claim that names the tenant: a name, or a JSON pointer such as `/org/id`. Required,
    /// unless [`tenants_claim`](JwtAuthenticatorBuilder::tenants_claim) is given; then it names the
    /// tenant that the principal belongs to, which the audit trail records beside the chosen one.
    pub fn tenant_claim(mut self, name: impl Into<String>) -> Self {
        self.tenant_claim = Some(name.into());
        self
    }

    /// The claim that lists the tenants that a principal may work for: operators of a managed
    /// service, staff. Off unless called.
    ///
    /// Every request then says which of them it is for, in a header or in its path, and is answered
    /// with 403 if it names none, several, or one that is not on its token's list: there is no
    /// default, not even for a list of one. The model has no part in the choice.
    ///
    /// ```
    /// # use watertight::auth::{Algorithm, JwtAuthenticator};
    /// let auth = JwtAuthenticator::builder()
    ///     .issuer("https://id.example.com")
    ///     .audience("https://mcp.example.com/mcp")
    ///     .shared_secret([7; 32]) // or `.jwks_url(…)`
    ///     .tenant_claim("org_id") // where the operator belongs
    ///     .tenants_claim("orgs") // where the operator may work
    ///     .tenant_from_header("X-Org")
    ///     .build()?;
    /// # Ok::<(), watertight::auth::JwtConfigError>(())
    /// ```
    pub fn tenants_claim(mut self, name: impl Into<String>) -> Self {
        self.tenants_claim = Some(name.into());
        self
    }

    /// The header that says which of the granted tenants a request is for. It can't begin with
    /// `Mcp-`, because clients copy arguments of tools into such headers.
    pub fn tenant_from_header(mut self, name: impl Into<String>) -> Self {
        self.tenant_header = Some(name.into());
        self
    }

    /// The segment of the path that says which of the granted tenants a request is for:
    /// `/t/{tenant}/mcp`. The server's resource is `https://mcp.example.com/t/{tenant}/mcp` then.
    /// With a header as well, the two must agree.
    pub fn tenant_from_path(mut self, template: impl Into<String>) -> Self {
        self.tenant_path = Some(template.into());
        self
    }

    /// The type of the tenant claim: a uuid by default. A `bigint` is a JSON number.
    pub fn tenant_kind(mut self, kind: TenantKind) -> Self {
        self.tenant_kind = Some(kind);
        self
    }

    /// The tenants that this issuer may name, where it is one of several: see
    /// [`Issuers`](crate::auth::Issuers). The claim is a text then.
    pub fn tenant_space(mut self, space: TenantSpace) -> Self {
        self.space = Some(space);
        self
    }

    /// Who knows which tokens were revoked before they expired: a
    /// [`RevocationList`](crate::auth::RevocationList), or one of your own. Asked for every request.
    pub fn revocations(mut self, revocations: impl Revocations) -> Self {
        self.revocations = Some(Box::new(revocations));
        self
    }

    /// The claim that lists the scopes, as a text of words or as a list. By default `scope`, or
    /// `scp` where there is no `scope`.
    pub fn scopes_claim(mut self, name: impl Into<String>) -> Self {
        self.scopes_claim = Some(name.into());
        self
    }

    /// A public key in PEM form.
    pub fn public_key_pem(mut self, algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Self {
        self.pems.push((None, algorithm, pem.as_ref().to_vec()));
        self
    }

    /// A public key in PEM form, for tokens with this key id.
    pub fn public_key_pem_with_id(
        mut self,
        id: impl Into<String>,
        algorithm: Algorithm,
        pem: impl AsRef<[u8]>,
    ) -> Self {
        self.pems
            .push((Some(id.into()), algorithm, pem.as_ref().to_vec()));
        self
    }

    /// A JWK set as text.
    pub fn jwk_set(mut self, json: impl AsRef<[u8]>) -> Self {
        self.key_sets.push(json.as_ref().to_vec());
        self
    }

    /// A secret shared with the issuer, of 32 bytes or more. It excludes every other key, and
    /// anyone who can verify a token can make one: prefer a public key.
    pub fn shared_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(secret.as_ref().to_vec());
        self
    }

    /// The address of the issuer's JWK set: `https`, or `http` on a loopback address. It is read
    /// at the first request, kept, and read again when a token names an unknown key.
    #[cfg(feature = "jwks")]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// The least time between two readings of the JWK set, however many tokens name unknown keys.
    /// Half a minute by default.
    #[cfg(feature = "jwks")]
    pub fn jwks_refetch_interval(mut self, interval: Duration) -> Self {
        self.refetch_interval = Some(interval);
        self
    }

    /// How many tokens are remembered as verified, 4096 by default; zero verifies each request anew.
    ///
    /// Verifying a signature costs as much as a small query. A token that was verified is found again by
    /// the SHA-256 of its text, before its expiry, while the key that verified it is still the issuer's.
    /// Revocations, and which tenant a request is for, are judged for every request all the same.
    pub fn verified_tokens(mut self, capacity: usize) -> Self {
        self.verified_tokens = Some(capacity);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If one is missing, malformed, or contradicts another.
    pub fn build(self) -> Result<JwtAuthenticator, JwtConfigError> {
        // With both backends compiled in, which feature unification can bring about, the library
        // has no default and panics. Someone else may have chosen one already; that is fine.
        let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let Some(issuer) = self.issuer.filter(|issuer| !issuer.is_empty()) else {
            return mistake("no issuer; add `.issuer(\"https://…\")`, the exact `iss` claim");
        };
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return mistake("no audience; add `.audience(…)`, this server's resource URL");
        }
        let choice = choice(self.tenant_header.as_deref(), self.tenant_path.as_deref())?;
        let tenants = match (self.tenants_claim.filter(|name| !name.is_empty()), choice) {
            (Some(claim), Some(choice)) => Some((claim, choice)),
            (None, None) => None,
            (Some(_), None) => {
                return mistake(
                    "a token lists tenants and nothing says which one a request is for; add \
                     `.tenant_from_header(\"X-Org\")` or `.tenant_from_path(\"/t/{tenant}/mcp\")`",
                );
            }
            (None, Some(choice)) => {
                return mistake(format!(
                    "a request would choose its tenant by {choice}, and nothing says which ones \
                     its token grants; add `.tenants_claim(\"…\")`"
                ));
            }
        };
        let in_path = |(_, choice): &(String, TenantChoice)| choice.path().is_some();
        if let Some(audience) = self.audiences.iter().find(|it| it.contains(TENANT_PLACE))
            && !tenants.as_ref().is_some_and(in_path)
        {
            return mistake(format!(
                "the audience `{audience}` depends on the tenant in the path, and none is taken \
                 from there; add `.tenant_from_path(\"…\")`"
            ));
        }
        let tenant = self.tenant_claim.filter(|name| !name.is_empty());
        if tenant.is_none() && tenants.is_none() {
            return mistake("no tenant claim; add `.tenant_claim(\"…\")`");
        }
        let tenant_kind = match &self.space {
            None => self.tenant_kind.unwrap_or(TenantKind::Uuid),
            Some(_) if tenants.is_some() => {
                return mistake(
                    "a space of tenants and a list of tenants in one token don't go together",
                );
            }
            Some(space) => {
                let kind = space.kind().map_err(JwtConfigError)?;
                match self.tenant_kind {
                    Some(wanted) if wanted != kind => {
                        return mistake(format!(
                            "the space's tenants are of kind {kind:?} and not {wanted:?}"
                        ));
                    }
                    _ => kind,
                }
            }
        };
        let leeway = self.leeway.unwrap_or(Duration::from_secs(60));
        if leeway > MAX_LEEWAY {
            return mistake("a leeway of more than ten minutes is no clock skew");
        }
        let asymmetric_keys = !self.pems.is_empty() || !self.key_sets.is_empty();
        #[cfg(feature = "jwks")]
        let asymmetric_keys = asymmetric_keys || self.jwks_url.is_some() || self.discover;
        let algorithms = allow_list(self.algorithms, self.secret.is_some(), asymmetric_keys)?;

        let mut fixed_keys = KeySet::default();
        if let Some(secret) = &self.secret {
            fixed_keys.push(Key::from_secret(secret, &algorithms).map_err(JwtConfigError)?);
        }
        for (id, algorithm, pem) in self.pems {
            if !algorithms.contains(&algorithm) {
                return mistake(format!(
                    "{algorithm:?} has a key but is not on the allow-list"
                ));
            }
            fixed_keys.push(Key::from_pem(id, algorithm, &pem).map_err(JwtConfigError)?);
        }
        for text in &self.key_sets {
            fixed_keys.append(KeySet::from_jwks(text, &algorithms).map_err(JwtConfigError)?);
        }
        #[cfg(feature = "jwks")]
        let jwks = {
            let interval = self.refetch_interval.unwrap_or(Duration::from_secs(30));
            let source = match (&self.jwks_url, self.discover) {
                (None, false) => None,
                (Some(url), false) => Some(Source::keys(url)),
                (None, true) => Some(Source::discovered(&issuer)),
                (Some(_), true) => {
                    return mistake("`.discover(…)` finds the key set; leave out `.jwks_url(…)`");
                }
            };
            let jwks = source.map(|source| Jwks::new(source?, interval, algorithms.clone()));
            jwks.transpose()
                .map_err(JwtConfigError)?
                .map(std::sync::Arc::new)
        };
        Ok(JwtAuthenticator {
            issuer,
            audiences: self.audiences,
            algorithms,
            leeway: leeway.as_secs(),
            claims: ClaimNames {
                tenant,
                tenants,
                tenant_kind,
                space: self.space,
                scopes: self.scopes_claim,
            },
            revocations: self.revocations,
            fixed_keys,
            #[cfg(feature = "jwks")]
            jwks,
            verified: Cache::new(self.verified_tokens.unwrap_or(VERIFIED_TOKENS)),
        })
    }
}

/// What the two settings say together.
fn choice(
    header: Option<&str>,
    path: Option<&str>,
) -> Result<Option<TenantChoice>, JwtConfigError> {
    let choice = match (header, path) {
        (None, None) => return Ok(None),
        (Some(header), None) => TenantChoice::from_header(header),
        (None, Some(path)) => TenantChoice::from_path(path),
        (Some(header), Some(path)) => {
            TenantChoice::from_path(path).and_then(|choice| choice.or_header(header))
        }
    };
    choice
        .map(Some)
        .map_err(|error| JwtConfigError(error.to_string()))
}

/// The algorithms, all symmetric or all asymmetric, as the keys are.
fn allow_list(
    wanted: Option<Vec<Algorithm>>,
    secret: bool,
    asymmetric_keys: bool,
) -> Result<Vec<Algorithm>, JwtConfigError> {
    match (secret, asymmetric_keys) {
        (false, false) => {
            return mistake("no key; add `.jwks_url(…)`, `.jwk_set(…)` or `.public_key_pem(…)`");
        }
        (true, true) => {
            return mistake("a shared secret and public keys in one authenticator; use one sort");
        }
        _ => {}
    }
    let default = if secret {
        SYMMETRIC.as_slice()
    } else {
        ASYMMETRIC.as_slice()
    };
    let list = wanted.unwrap_or_else(|| default.to_vec());
    if list.is_empty() {
        return mistake("the allow-list of algorithms is empty");
    }
    for algorithm in &list {
        match (algorithm.family() == AlgorithmFamily::Hmac, secret) {
            (true, false) => {
                return mistake(format!(
                    "{algorithm:?} needs `.shared_secret(…)`; public keys don't fit it"
                ));
            }
            (false, true) => {
                return mistake(format!(
                    "{algorithm:?} needs a public key; a shared secret doesn't fit it"
                ));
            }
            _ => {}
        }
    }
    Ok(list)
}

// By hand: it may hold a shared secret.
impl std::fmt::Debug for JwtAuthenticatorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtAuthenticatorBuilder")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}
