//! The tenant's own place outside of the database: an opaque prefix for object stores, caches and
//! queues.
//!
//! Invariant: a prefix is a keyed hash of the tenant and the purpose. Without the key it tells nothing
//! of the tenant, and the prefixes of two tenants, or of two purposes, have nothing in common.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::background::BackgroundContext;
use crate::error::{ToolError, ToolResult};
use crate::sealed::SealingKey;
use crate::server::ServerState;
use crate::session::Session;
use crate::tool::ToolContext;

/// 128 bits: no two tenants share one.
const BYTES: usize = 16;

/// A tenant's prefix for one purpose: 32 hexadecimal digits, the same for every caller of the tenant
/// and after every restart.
///
/// It can be had from a context only, so a store that takes a `ScopeKey` can't be handed another
/// tenant's.
///
/// ```
/// # use watertight::{ScopeKey, ToolContext, ToolError, ToolResult, mcp_tool};
/// struct Store; // an object store
/// impl Store {
///     async fn get(&self, place: &str) -> Option<String> {
///         # let _ = place;
///         None
///     }
/// }
/// # static STORE: Store = Store;
///
/// /// Read a report.
/// #[mcp_tool]
/// async fn read_report(cx: ToolContext, name: String) -> ToolResult<String> {
///     let place = cx.scope_key("reports")?.join(&name)?; // "4be1…/march.txt"
///     STORE.get(&place).await.ok_or_else(ToolError::not_found)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ScopeKey(String);

impl ScopeKey {
    fn new(key: &SealingKey, session: &Session, purpose: &str) -> ToolResult<Self> {
        let tenant = session.tenant();
        // HMAC takes keys of every length.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.bytes()).map_err(|_| ToolError::internal("hmac"))?;
        let kind = [tenant.kind() as u8];
        for part in [
            b"watertight scope key".as_slice(),
            purpose.as_bytes(),
            &kind,
            tenant.as_setting().as_bytes(),
        ] {
            // With its length, so that no part can reach into the next one.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let digits = digest.iter().take(BYTES).map(|byte| format!("{byte:02x}"));
        Ok(Self(digits.collect()))
    }

    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A place below the prefix, `prefix/name`, for a name that a client chose.
    ///
    /// # Errors
    /// "Invalid argument" for a name that could lead out of the prefix, or that stores spell in more
    /// than one way: empty, longer than 512 bytes, with an empty part, `.`, `..`, a backslash or a
    /// control character.
    pub fn join(&self, name: &str) -> ToolResult<String> {
        let plain = |c: char| c != '\\' && !c.is_control();
        let part = |part: &str| !matches!(part, "" | "." | "..");
        if name.len() > 512 || !name.chars().all(plain) || !name.split('/').all(part) {
            return Err(ToolError::invalid_argument("name", "a plain relative name"));
        }
        Ok(format!("{}/{name}", self.0))
    }
}

impl AsRef<str> for ScopeKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeKey({})", self.0)
    }
}

fn of(state: &ServerState, session: &Session, purpose: &str) -> ToolResult<ScopeKey> {
    session.life().check().map_err(crate::db::DbError::from)?;
    let key = state.prefix_key().ok_or_else(|| {
        ToolError::internal(
            "there is no key for prefixes; give the server one that stays what it is: \
             `.scope_key(SealingKey::from_base64(&std::env::var(\"SCOPE_KEY\")?)?)`",
        )
    })?;
    ScopeKey::new(key, session, purpose)
}

impl ToolContext {
    /// The tenant's prefix for this purpose, for what is kept outside of the database: objects, cache
    /// entries, queues. Two purposes have different ones.
    ///
    /// # Errors
    /// An internal error if the server has no [`scope_key`](crate::ServerBuilder::scope_key), or if the
    /// call is over.
    pub fn scope_key(&self, purpose: &'static str) -> ToolResult<ScopeKey> {
        of(self.caller().state(), self.session(), purpose)
    }
}

impl BackgroundContext {
    /// The tenant's prefix for this purpose: the same as in a call
    /// ([`ToolContext::scope_key`]), if the worker has the server's key.
    ///
    /// # Errors
    /// As [`ToolContext::scope_key`].
    pub fn scope_key(&self, purpose: &'static str) -> ToolResult<ScopeKey> {
        of(self.state(), self.session(), purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use crate::session::Grant;

    fn session(subject: &str, tenant: TenantId) -> Session {
        Session::from_grant(Grant {
            issuer: "i".into(),
            subject: subject.into(),
            tenant,
            home: None,
            scopes: Vec::new(),
            client: None,
            expires_at: None,
        })
    }

    fn key(byte: u8, session: &Session, purpose: &str) -> String {
        let key = SealingKey::new([byte; 32]);
        ScopeKey::new(&key, session, purpose).unwrap().to_string()
    }

    #[test]
    fn a_prefix_is_the_tenants_for_one_purpose_under_one_key() {
        let acme = session("ada", TenantId::text("acme").unwrap());
        let prefix = key(7, &acme, "reports");
        // Pinned: what is stored under it must be found by every later version.
        assert_eq!(prefix, "86536214c87fca7d06ffbcf8c03d04e2");
        assert_eq!(prefix.len(), 32);
        assert_eq!(
            prefix,
            key(7, &session("bob", acme.tenant().clone()), "reports")
        );
        let others = [
            key(8, &acme, "reports"),
            key(7, &acme, "report"),
            key(7, &session("ada", TenantId::text("acm").unwrap()), "e"),
            key(
                7,
                &session("ada", TenantId::text("acme2").unwrap()),
                "reports",
            ),
        ];
        assert!(others.iter().all(|other| *other != prefix), "{others:?}");
        let number = session("ada", TenantId::bigint(7));
        let text = session("ada", TenantId::text("7").unwrap());
        assert_ne!(key(7, &number, "x"), key(7, &text, "x"));
    }

    #[test]
    fn a_name_can_not_leave_its_prefix() {
        let acme = session("ada", TenantId::bigint(7));
        let prefix = ScopeKey::new(&SealingKey::new([7; 32]), &acme, "x").unwrap();
        let place = prefix.join("2026/march report.pdf").unwrap();
        assert_eq!(place, format!("{prefix}/2026/march report.pdf"));
        for name in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../b",
            "a/../../b",
            "a/./b",
            "a\\..\\b",
            "a\0",
            "a\n",
            &"a".repeat(513),
        ] {
            assert!(prefix.join(name).is_err(), "{name:?}");
        }
    }
}
