//! Whose tenants a claim names, where a server trusts several issuers.
//!
//! Invariant: a space is fixed when the server is built. What an issuer writes into a claim can name a
//! tenant of its own space and no other, so one issuer can't speak for another's tenants.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::id::{TenantId, TenantKind};

/// Longer claims name nothing.
const LONGEST_CLAIM: usize = 512;

/// Which tenants the tokens of one issuer may name, where there are several issuers: customers that
/// bring their own identity provider, or a second one for machines.
///
/// Two issuers may both have an organisation `42`, and they are two tenants. See [`Issuers`](crate::auth::Issuers).
#[derive(Clone, PartialEq, Eq)]
pub struct TenantSpace(Space);

#[derive(Clone, PartialEq, Eq)]
enum Space {
    Prefixed(String),
    Derived,
    Listed(BTreeMap<String, TenantText>),
}

/// A tenant that can be compared in order.
#[derive(Clone)]
struct TenantText(TenantId);

impl PartialEq for TenantText {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TenantText {}

impl TenantSpace {
    /// The tenant is a text: the prefix, a colon, and the claim. With `"acme"` the claim `42` names
    /// `acme:42`.
    #[must_use]
    pub fn prefixed(prefix: impl Into<String>) -> Self {
        Self(Space::Prefixed(prefix.into()))
    }

    /// The tenant is a uuid that follows from the issuer and the claim, which [`TenantSpace::derive`]
    /// computes as well. For tables whose tenants are uuids, whatever the claim looks like.
    #[must_use]
    pub fn derived() -> Self {
        Self(Space::Derived)
    }

    /// The tenants by name, each with the claim that stands for it; no other claim is accepted.
    #[must_use]
    pub fn listed<S: Into<String>>(tenants: impl IntoIterator<Item = (S, TenantId)>) -> Self {
        let tenants = tenants.into_iter();
        Self(Space::Listed(
            tenants
                .map(|(claim, id)| (claim.into(), TenantText(id)))
                .collect(),
        ))
    }

    /// The uuid that stands for an issuer's claim in a [derived](TenantSpace::derived) space: what to
    /// store when the tenant signs up. A uuid of version 8 (RFC 9562, 5.8).
    #[must_use]
    pub fn derive(issuer: &str, claim: &str) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(b"watertight: tenant of an issuer\0");
        // The length keeps one issuer's name from running into the other's claim.
        hash.update((issuer.len() as u64).to_be_bytes());
        hash.update(issuer.as_bytes());
        hash.update(claim.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest) {
            *to = from;
        }
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The tenant that a claim of this issuer names.
    pub(super) fn tenant(&self, issuer: &str, claim: &str) -> Option<TenantId> {
        if claim.is_empty() || claim.len() > LONGEST_CLAIM {
            return None;
        }
        match &self.0 {
            Space::Prefixed(prefix) => TenantId::text(&format!("{prefix}:{claim}")).ok(),
            Space::Derived => Some(TenantId::uuid(Self::derive(issuer, claim))),
            Space::Listed(tenants) => tenants.get(claim).map(|TenantText(id)| id.clone()),
        }
    }

    /// The kind of its tenants, if the space can be used at all.
    pub(super) fn kind(&self) -> Result<TenantKind, String> {
        match &self.0 {
            Space::Prefixed(prefix) if prefix.contains(':') || TenantId::text(prefix).is_err() => {
                Err(format!(
                    "`{prefix}` can't be a prefix of tenants; use letters, digits, `_`, `.` and `-`"
                ))
            }
            Space::Prefixed(_) => Ok(TenantKind::Text),
            Space::Derived => Ok(TenantKind::Uuid),
            Space::Listed(tenants) => {
                let mut kinds = tenants.values().map(|TenantText(id)| id.kind());
                let Some(first) = kinds.next() else {
                    return Err("the list of an issuer's tenants is empty".to_owned());
                };
                match kinds.all(|kind| kind == first) {
                    true => Ok(first),
                    false => Err("the list of an issuer's tenants mixes kinds".to_owned()),
                }
            }
        }
    }

    /// Whether some tenant may be in both spaces. The issuers differ.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Space::Prefixed(one), Space::Prefixed(two)) => one == two,
            (Space::Listed(one), Space::Listed(two)) => {
                one.values().any(|it| two.values().any(|other| it == other))
            }
            (Space::Prefixed(prefix), Space::Listed(tenants))
            | (Space::Listed(tenants), Space::Prefixed(prefix)) => tenants.values().any(|it| {
                let rest =
                    it.0.as_text()
                        .and_then(|text| text.strip_prefix(prefix.as_str()));
                rest.is_some_and(|rest| rest.starts_with(':'))
            }),
            // A listed uuid would have to be the digest of the other's claim.
            (Space::Derived, Space::Listed(tenants)) | (Space::Listed(tenants), Space::Derived) => {
                tenants
                    .values()
                    .any(|it| it.0.as_uuid().is_some_and(|id| id.get_version_num() == 8))
            }
            (Space::Derived, _) | (_, Space::Derived) => false,
        }
    }
}

impl fmt::Debug for TenantSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Space::Prefixed(_) => "TenantSpace(prefixed)",
            Space::Derived => "TenantSpace(derived)",
            Space::Listed(_) => "TenantSpace(listed)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_of_two_issuers_is_two_tenants() {
        let derived = TenantSpace::derived();
        let of = |issuer, claim| derived.tenant(issuer, claim).unwrap();
        assert!(of("https://a", "42") != of("https://b", "42"));
        assert!(of("https://a", "42") == of("https://a", "42"));
        assert!(of("https://a4", "2") != of("https://a", "42"));
        assert_eq!(TenantSpace::derive("https://a", "42").get_version_num(), 8);
        let (one, two) = (TenantSpace::prefixed("one"), TenantSpace::prefixed("two"));
        assert!(one.tenant("i", "42") != two.tenant("i", "42"));
        assert!(one.tenant("i", "a b").is_none() && one.tenant("i", "").is_none());
        let listed = TenantSpace::listed([("42", TenantId::bigint(7))]);
        assert!(listed.tenant("i", "42") == Some(TenantId::bigint(7)));
        assert!(listed.tenant("i", "7").is_none());
    }

    #[test]
    fn spaces_that_may_share_a_tenant_overlap() {
        let text = |text| TenantId::text(text).unwrap();
        let listed = |id| TenantSpace::listed([("x", id)]);
        let prefixed = TenantSpace::prefixed;
        let derived_id = TenantId::uuid(TenantSpace::derive("https://a", "42"));
        for (one, two) in [
            (prefixed("a"), prefixed("a")),
            (prefixed("a"), listed(text("a:1"))),
            (listed(text("b")), listed(text("b"))),
            (listed(derived_id), TenantSpace::derived()),
        ] {
            assert!(one.overlaps(&two) && two.overlaps(&one), "{one:?} {two:?}");
        }
        for (one, two) in [
            (prefixed("a"), prefixed("ab")),
            (prefixed("a"), listed(text("ab:1"))),
            (listed(text("a")), listed(text("b"))),
            (TenantSpace::derived(), TenantSpace::derived()),
        ] {
            assert!(
                !one.overlaps(&two) && !two.overlaps(&one),
                "{one:?} {two:?}"
            );
        }
    }

    #[test]
    fn a_space_is_of_one_kind() {
        assert!(TenantSpace::prefixed("a:b").kind().is_err());
        assert!(TenantSpace::prefixed("").kind().is_err());
        let mixed = [
            ("a", TenantId::bigint(1)),
            ("b", TenantId::text("b").unwrap()),
        ];
        assert!(TenantSpace::listed(mixed).kind().is_err());
        let none: [(&str, TenantId); 0] = [];
        assert!(TenantSpace::listed(none).kind().is_err());
    }
}
