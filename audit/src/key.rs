//! The key of the trail, the keys of tenants that come from it, and MACs.
//!
//! Invariant: a key is never shown, and a MAC is compared in constant time.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::ring::KeyId;

/// The key that links the records of a trail: 32 random bytes that the database never sees.
///
/// Every process that writes the trail has it, and whoever verifies. Keep it where secrets are
/// kept: `openssl rand -base64 32`.
#[derive(Clone)]
pub struct AuditKey([u8; 32]);

/// The key of one tenant's trail, which verifies that trail and no other.
#[derive(Clone)]
pub struct TenantKey([u8; 32]);

/// How every [`TenantKey::pseudonym`] begins.
pub const ERASED: &str = "erased/";

/// An HMAC-SHA-256 over a record and its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 32]);

impl AuditKey {
    /// These bytes. They must be random: a password is no key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 32 bytes in base64, as they come from an environment variable.
    ///
    /// # Errors
    /// [`InvalidAuditKey`] if it is anything else. The error does not repeat the text.
    pub fn from_base64(text: &str) -> Result<Self, InvalidAuditKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidAuditKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidAuditKey)
    }

    /// The key of one tenant's trail. `tenant` as the setting of a scope has it.
    #[must_use]
    pub fn tenant(&self, tenant: &str) -> TenantKey {
        let mac = mac(&self.0, "watertight audit tenant v1", |part| {
            part(tenant.as_bytes())
        });
        TenantKey(mac.0)
    }

    /// What the key is known by. No secret.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&mac(&self.0, "watertight audit key id v1", |_| {}))
    }

    /// The name of a writer under this key. `random` is 32 hexadecimal digits that no other has.
    #[must_use]
    pub fn writer(&self, random: &str) -> String {
        format!("{}-{random}", self.id())
    }
}

impl TenantKey {
    /// What stands for a tenant whose trail was erased. No identifier of a tenant has a slash.
    #[must_use]
    pub fn pseudonym(&self) -> String {
        let mac = self.mac("watertight audit erased v1", |_| {});
        format!("{ERASED}{mac}")
    }

    /// A MAC over the parts that `write` hands over, in a domain of their own.
    pub(crate) fn mac(&self, domain: &str, write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Mac {
        mac(&self.0, domain, write)
    }
}

/// Each part is preceded by its length, so that no two lists of parts are the same bytes.
fn mac(key: &[u8; 32], domain: &str, write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Mac {
    // HMAC takes keys of any length; this arm is never taken.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Mac([0; 32]);
    };
    let mut part = |bytes: &[u8]| {
        hmac.update(&(bytes.len() as u64).to_be_bytes());
        hmac.update(bytes);
    };
    part(domain.as_bytes());
    write(&mut part);
    Mac(hmac.finalize().into_bytes().into())
}

impl Mac {
    /// What stands before the first record of a chain.
    pub const NONE: Self = Self([0; 32]);

    /// From the bytes that the table holds; `None` if they are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0);
        // `black_box` keeps the loop from being cut short where the first difference is found.
        let differing = differing.fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        differing == 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Mac {
    type Err = InvalidAuditKey;

    fn from_str(text: &str) -> Result<Self, InvalidAuditKey> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidAuditKey);
        }
        for (byte, index) in bytes.iter_mut().zip((0..64).step_by(2)) {
            let digits = text.get(index..index + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidAuditKey)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom("a MAC is 64 hexadecimal digits"))
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey")
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantKey")
    }
}

/// The text is not 32 bytes: base64 for a key, hexadecimal digits for a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an audit key is 32 random bytes in base64, as `openssl rand -base64 32` writes them")]
#[non_exhaustive]
pub struct InvalidAuditKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_hmac_sha_256() {
        // RFC 4231, test case 2, without our framing.
        let mut hmac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        hmac.update(b"what do ya want for nothing?");
        let mac = Mac(hmac.finalize().into_bytes().into());
        let text = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(mac.to_string(), text);
        assert_eq!(text.parse::<Mac>().unwrap(), mac);
    }

    #[test]
    fn keys_are_not_shown_and_tenants_have_different_ones() {
        let key = AuditKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
        assert_eq!(
            format!("{key:?} {:?}", key.tenant("a")),
            "AuditKey TenantKey"
        );
        assert_ne!(key.tenant("a").0, key.tenant("b").0);
        assert_ne!(key.tenant("a").0, key.0);
        assert!(AuditKey::from_base64("password").is_err());
        assert!("é".repeat(32).parse::<Mac>().is_err());
    }
}
