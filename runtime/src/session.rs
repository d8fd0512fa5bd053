//! Who is calling: the identity that a verified token of *this* request names.
//!
//! Invariant: a `Session` comes out of an [`Authenticator`](crate::auth::Authenticator) or a
//! [`LauncherAuthenticator`](crate::auth::LauncherAuthenticator), or again out of a ticket that one
//! was sealed into, and never changes. It has no
//! public constructor, no setter, no `Default` and no `Deserialize`, so nothing that a client
//! or a language model sends can become one, or alter one, except through a verified token.
//! One that was taken out of a call opens nothing after the call.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::auth::{Reach, ScopeRules};
use crate::id::TenantId;
use crate::life::{Life, Running};

/// The verified identity behind one request: tenant, subject, issuer and scopes.
///
/// Cheap to clone. `Debug` prints the subject and the issuer, never the tenant.
///
/// What it opens is good until the credentials expire. A session of a call, clones included, opens
/// nothing after the call: work that outlives a call takes a ticket along instead.
///
/// ```compile_fail,E0277
/// // A session can't be made from nothing, nor from data.
/// let session: watertight::Session = Default::default();
/// ```
/// ```compile_fail,E0277
/// fn from_data(json: &str) -> watertight::Session {
///     serde_json::from_str(json).unwrap()
/// }
/// ```
#[derive(Clone)]
pub struct Session {
    grant: Arc<Grant>,
    /// What the granted scopes amount to, where the server has rules about that.
    reach: Option<Arc<Reach>>,
    life: Life,
}

/// What an authenticator verified; the private half of a [`Session`].
pub(crate) struct Grant {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) tenant: TenantId,
    /// Where the principal belongs, if `tenant` was chosen from several.
    pub(crate) home: Option<TenantId>,
    pub(crate) scopes: Vec<String>,
    pub(crate) client: Option<String>,
    pub(crate) expires_at: Option<SystemTime>,
}

impl Session {
    /// The one way to a session inside this crate. Callers: `auth::request`, `auth::launcher`,
    /// `background::maintenance`, and `reopened` below.
    pub(crate) fn from_grant(mut grant: Grant) -> Self {
        grant.scopes.sort_unstable();
        grant.scopes.dedup();
        Self {
            life: Life::until(grant.expires_at),
            grant: Arc::new(grant),
            reach: None,
        }
    }

    /// The session that a ticket was made from, with what its scopes amounted to then. Caller:
    /// `background::ticket`.
    pub(crate) fn reopened(grant: Grant, reach: Option<Reach>) -> Self {
        Self {
            reach: reach.map(Arc::new),
            ..Self::from_grant(grant)
        }
    }

    /// What its scopes amount to, where the server has rules about that.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.reach.as_deref()
    }

    /// The same identity on a server where some scopes include others.
    pub(crate) fn under(mut self, rules: &ScopeRules) -> Self {
        self.reach = rules.reach(&self.grant.scopes).map(Arc::new);
        self
    }

    /// The same identity for the length of one call: until what is returned beside it is dropped.
    pub(crate) fn for_call(&self) -> (Self, Running) {
        let (life, running) = self.life.of_call();
        let session = Self {
            life,
            ..self.clone()
        };
        (session, running)
    }

    /// How long it opens anything.
    pub(crate) const fn life(&self) -> &Life {
        &self.life
    }

    /// The tenant that this request is for: the one that the token names, or the one that was
    /// chosen from the set that the token grants.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.grant.tenant
    }

    /// The tenant that the principal belongs to, where it works for several and the token says
    /// so. What it may read and write is [`tenant`](Session::tenant)'s all the same.
    #[must_use]
    pub fn home_tenant(&self) -> Option<&TenantId> {
        self.grant.home.as_ref()
    }

    /// The user or machine that the token was issued to (`sub`). Unique within the issuer only.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.grant.subject
    }

    /// Who vouches for subject and tenant (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.grant.issuer
    }

    /// The OAuth client that obtained the token, where the token says so (`client_id`, `azp`).
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.grant.client.as_deref()
    }

    /// The granted scopes, sorted, each once.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.grant.scopes.iter().map(String::as_str)
    }

    /// Whether the token grants this scope: exactly, or by a scope that includes it where the
    /// server was told so ([`scope_implies`](crate::ServerBuilder::scope_implies)).
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        match &self.reach {
            Some(reach) => reach.covers(scope),
            None => self
                .grant
                .scopes
                .binary_search_by(|granted| granted.as_str().cmp(scope))
                .is_ok(),
        }
    }

    /// When the token stops being accepted: its expiry, and the leeway for clocks that differ. `None` for identities that do not expire.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.grant.expires_at
    }

    /// What a handle or a cache entry of this session is bound to: issuer, subject, tenant and home
    /// tenant, each with its length in front, so that no two sessions have the same bytes.
    pub(crate) fn binding(&self) -> Vec<u8> {
        let home = self.home_tenant().map(TenantId::as_setting);
        let kind = [self.tenant().kind() as u8, u8::from(home.is_some())];
        let parts = [
            self.issuer().as_bytes(),
            self.subject().as_bytes(),
            self.tenant().as_setting().as_bytes(),
            home.as_deref().unwrap_or_default().as_bytes(),
        ]
        .map(<[u8]>::to_vec);
        let mut bytes = kind.to_vec();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(&part);
        }
        bytes
    }

    /// Issuer, subject and tenant: what must be equal for two requests to be of one principal.
    /// The token's bytes are no part of it, because they change on every refresh.
    pub(crate) fn principal(&self) -> Principal {
        Principal(self.clone())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("tenant", self.tenant())
            .field("scopes", &self.grant.scopes)
            .finish_non_exhaustive()
    }
}

/// A session seen as the key of what belongs to one principal, as it acts for one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Principal(Session);

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        a.issuer() == b.issuer()
            && a.subject() == b.subject()
            && a.tenant() == b.tenant()
            && a.home_tenant() == b.home_tenant()
    }
}

impl Eq for Principal {}

impl std::hash::Hash for Principal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.issuer().hash(state);
        self.0.subject().hash(state);
        self.0.tenant().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(issuer: &str, subject: &str, tenant: i64, scopes: &[&str]) -> Session {
        Session::from_grant(Grant {
            issuer: issuer.into(),
            subject: subject.into(),
            tenant: TenantId::bigint(tenant),
            home: None,
            scopes: scopes.iter().map(ToString::to_string).collect(),
            client: None,
            expires_at: None,
        })
    }

    #[test]
    fn scopes_are_matched_whole() {
        let session = session("i", "s", 1, &["write", "customers:read", "write"]);
        assert_eq!(
            session.scopes().collect::<Vec<_>>(),
            ["customers:read", "write"]
        );
        assert!(session.has_scope("customers:read"));
        assert!(!session.has_scope("customers"));
        assert!(!session.has_scope(""));
    }

    #[test]
    fn a_principal_is_issuer_subject_and_tenant() {
        let one = session("i", "s", 1, &["a"]).principal();
        assert_eq!(one, session("i", "s", 1, &["b"]).principal());
        for other in [
            session("j", "s", 1, &[]),
            session("i", "t", 1, &[]),
            session("i", "s", 2, &[]),
        ] {
            assert_ne!(one, other.principal());
        }
    }

    #[test]
    fn a_binding_differs_wherever_the_principal_does() {
        let bindings = [
            session("i", "s", 1, &[]),
            session("is", "", 1, &[]),
            session("i", "s", 11, &[]),
            session("j", "s", 1, &[]),
        ]
        .map(|session| session.binding());
        let different: std::collections::HashSet<_> = bindings.iter().collect();
        assert_eq!(different.len(), bindings.len());
        assert_eq!(bindings[0], session("i", "s", 1, &["a"]).binding());
    }

    #[test]
    fn debug_keeps_the_tenant_to_itself() {
        let shown = format!("{:?}", session("i", "s", 8_715_309, &[]));
        assert!(
            shown.contains("\"s\"") && !shown.contains("8715309"),
            "{shown}"
        );
    }
}
