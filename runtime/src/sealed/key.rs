//! The keys that handles are sealed with. Never shown, never compared.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A key of a server, for what it seals (handles, tickets) or for its prefixes: 32 random bytes.
///
/// A server makes its own when it starts, so that its handles end with it. Several instances behind
/// one address share one, from where they keep their secrets: `openssl rand -base64 32`.
#[derive(Clone)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// These bytes. They must be random: a password is no key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// 32 bytes in base64, as they come from an environment variable.
    ///
    /// # Errors
    /// [`InvalidSealingKey`] if it is anything else. The error does not repeat the text.
    pub fn from_base64(text: &str) -> Result<Self, InvalidSealingKey> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|_| InvalidSealingKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSealingKey)
    }

    /// A new one; `None` if there are no random numbers to be had.
    pub(crate) fn random() -> Option<Self> {
        let mut bytes = [0; 32];
        match getrandom::fill(&mut bytes) {
            Ok(()) => Some(Self(bytes)),
            Err(error) => {
                tracing::error!(%error, "no random numbers from the operating system");
                None
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

/// The text is not 32 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealing key is 32 random bytes in base64, as `openssl rand -base64 32` writes them")]
#[non_exhaustive]
pub struct InvalidSealingKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_and_is_not_shown() {
        let text = STANDARD.encode([0x5a; 32]);
        let key = SealingKey::from_base64(&format!("{text}\n")).unwrap();
        assert_eq!(key.bytes(), &[0x5a; 32]);
        assert_eq!(format!("{key:?}"), "SealingKey");
        for wrong in [
            "",
            "password",
            &STANDARD.encode([0; 31]),
            &STANDARD.encode([0; 33]),
        ] {
            let error = SealingKey::from_base64(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.to_string().contains(wrong));
        }
    }
}
