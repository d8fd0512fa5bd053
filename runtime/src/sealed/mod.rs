//! Handles: texts that travel through a client and come back, such as cursors.
//!
//! A handle is encrypted and authenticated (XChaCha20-Poly1305, with a random nonce), carries its
//! expiry, and is bound to the principal and the purpose that it was made for.
//!
//! Invariant: a handle that is expired, changed, of another principal or for another purpose can't
//! be told from a text that never was a handle.

mod context;
mod handle;
mod key;

use std::fmt;
use std::sync::{Arc, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

pub use handle::TenantHandle;
pub use key::{InvalidSealingKey, SealingKey};

use crate::session::Session;

/// Of the form: version, nonce, sealed expiry and content. Another form gets another number.
const VERSION: u8 = 1;
const NONCE: usize = 24;
const EXPIRY: usize = 8;
/// Longer texts are nobody's handle, and are not looked at.
pub(crate) const LONGEST: usize = 16 * 1024;

/// What a handle is bound to. Two bindings are equal if all their parts are.
#[derive(Clone)]
pub(crate) struct Binding(Vec<u8>);

impl Binding {
    /// Issuer, subject and tenant of the session, and what the handle is for.
    pub(crate) fn new(session: &Session, purpose: &str) -> Self {
        Self(b"watertight handle".to_vec())
            .and(purpose.as_bytes())
            .and(&session.binding())
    }

    /// Of tickets, which carry their session inside.
    pub(crate) fn of_tickets() -> Self {
        Self(b"watertight ticket".to_vec())
    }

    /// And this, such as the arguments of the request.
    pub(crate) fn and(mut self, part: &[u8]) -> Self {
        // With its length, so that no part can reach into the next one.
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }
}

/// Makes and reads handles. Cloning it shares the keys.
#[derive(Clone)]
pub(crate) struct Sealer {
    ciphers: Arc<[XChaCha20Poly1305]>,
    /// The key was made for this process, and ends with it.
    short_lived: bool,
}

impl Sealer {
    /// Seals with the first key, and reads what any of them sealed. Without keys, one that lives
    /// as long as the process.
    pub(crate) fn new(keys: &[SealingKey]) -> Self {
        let random = keys.is_empty().then(SealingKey::random).flatten();
        let keys = match &random {
            Some(random) => std::slice::from_ref(random),
            None => keys,
        };
        let ciphers = keys
            .iter()
            .map(|key| XChaCha20Poly1305::new(key.bytes().into()));
        Self {
            ciphers: ciphers.collect(),
            short_lived: random.is_some(),
        }
    }

    /// Tells the operator, once, that what is sealed for a queue ends with the process.
    pub(crate) fn warn_if_short_lived(&self) {
        static ONCE: Once = Once::new();
        if self.short_lived {
            ONCE.call_once(|| {
                tracing::warn!(
                    "tickets are sealed with a key that ends with this process; give the server one: \
                     `.sealing_key(…)`"
                );
            });
        }
    }

    /// A handle with this content; `None` if there are no random numbers to be had.
    pub(crate) fn seal(
        &self,
        binding: &Binding,
        content: &[u8],
        valid_for: Duration,
    ) -> Option<String> {
        let until = SystemTime::now().checked_add(valid_for)?;
        let until = until.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let mut plain = until.to_be_bytes().to_vec();
        plain.extend_from_slice(content);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let payload = Payload {
            msg: &plain,
            aad: &binding.0,
        };
        let sealed = self
            .ciphers
            .first()?
            .encrypt(&XNonce::from(nonce), payload)
            .ok()?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The content of a handle; `None` for everything else.
    pub(crate) fn open(&self, binding: &Binding, handle: &str) -> Option<Vec<u8>> {
        if handle.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if *version != VERSION {
            return None;
        }
        let nonce = XNonce::from(*nonce);
        let plain = self.ciphers.iter().find_map(|cipher| {
            let payload = Payload {
                msg: sealed,
                aad: &binding.0,
            };
            cipher.decrypt(&nonce, payload).ok()
        })?;
        let (until, content) = plain.split_first_chunk::<EXPIRY>()?;
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*until)))?;
        (SystemTime::now() < until).then(|| content.to_vec())
    }
}

// The keys show nowhere.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.ciphers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;
    use crate::session::Grant;

    const HOUR: Duration = Duration::from_secs(3600);

    fn session(issuer: &str, subject: &str, tenant: TenantId) -> Session {
        Session::from_grant(Grant {
            issuer: issuer.into(),
            subject: subject.into(),
            tenant,
            home: None,
            scopes: Vec::new(),
            client: None,
            expires_at: None,
        })
    }

    fn ada() -> Session {
        session("i", "ada", TenantId::bigint(7))
    }

    #[test]
    fn a_handle_opens_for_its_own_principal_and_purpose_alone() {
        let sealer = Sealer::new(&[]);
        let binding = Binding::new(&ada(), "cursor").and(b"plan=pro");
        let handle = sealer.seal(&binding, b"row 20", HOUR).unwrap();
        assert_eq!(sealer.open(&binding, &handle).unwrap(), b"row 20");
        assert!(!handle.contains("row"));
        for other in [
            Binding::new(&session("j", "ada", TenantId::bigint(7)), "cursor").and(b"plan=pro"),
            Binding::new(&session("i", "bob", TenantId::bigint(7)), "cursor").and(b"plan=pro"),
            Binding::new(&session("i", "ada", TenantId::bigint(8)), "cursor").and(b"plan=pro"),
            Binding::new(&session("i", "ada", TenantId::text("7").unwrap()), "cursor")
                .and(b"plan=pro"),
            Binding::new(&ada(), "state").and(b"plan=pro"),
            Binding::new(&ada(), "cursor").and(b"plan=free"),
            Binding::new(&ada(), "cursor"),
            Binding::new(&ada(), "cursor").and(b"plan=pro").and(b""),
        ] {
            assert_eq!(sealer.open(&other, &handle), None);
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Binding::new(&session("ab", "c", TenantId::bigint(7)), "x");
        let two = Binding::new(&session("a", "bc", TenantId::bigint(7)), "x");
        assert_ne!(one.0, two.0);
    }

    #[test]
    fn every_change_is_noticed() {
        let sealer = Sealer::new(&[]);
        let binding = Binding::new(&ada(), "cursor");
        let handle = sealer.seal(&binding, b"row 20", HOUR).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&handle).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(sealer.open(&binding, &changed), None, "byte {at}");
        }
        for length in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(sealer.open(&binding, &cut), None, "length {length}");
        }
        for garbage in ["", "!", "AQ", &"A".repeat(LONGEST + 1)] {
            assert_eq!(sealer.open(&binding, garbage), None);
        }
    }

    #[test]
    fn a_handle_expires() {
        let sealer = Sealer::new(&[]);
        let binding = Binding::new(&ada(), "cursor");
        let handle = sealer.seal(&binding, b"", Duration::ZERO).unwrap();
        assert_eq!(sealer.open(&binding, &handle), None);
        assert!(sealer.seal(&binding, b"", Duration::MAX).is_none());
    }

    #[test]
    fn keys_are_replaced_one_after_the_other() {
        let random = || SealingKey::random().unwrap();
        let (old, new) = (random(), random());
        let binding = Binding::new(&ada(), "cursor");
        let before = Sealer::new(std::slice::from_ref(&old));
        let handle = before.seal(&binding, b"x", HOUR).unwrap();
        let both = Sealer::new(&[new.clone(), old]);
        assert_eq!(both.open(&binding, &handle).unwrap(), b"x");
        let handle = both.seal(&binding, b"y", HOUR).unwrap();
        assert_eq!(Sealer::new(&[new]).open(&binding, &handle).unwrap(), b"y");
        assert_eq!(before.open(&binding, &handle), None);
        assert_eq!(Sealer::new(&[]).open(&binding, &handle), None);
    }

    #[test]
    fn equal_contents_make_different_handles() {
        let sealer = Sealer::new(&[]);
        let binding = Binding::new(&ada(), "cursor");
        let handle = || sealer.seal(&binding, b"x", HOUR).unwrap();
        assert_ne!(handle(), handle());
    }
}
