//! Tokens that were verified before, so that a signature is computed once and not for every call.
//!
//! Invariant: an answer is the one that verifying again would give. An entry is found by the SHA-256
//! of the whole token; it counts while the very key that verified it is among those that may, for the
//! audiences that it was verified for, and before its `exp`, without leeway. What else depends on the
//! request or the moment, such as revocation and the choice of a tenant, is judged for every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::claims;
use super::keys::Key;

/// What a token is found by. The token itself is not kept.
pub(super) type Fingerprint = [u8; 32];

pub(super) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token).into()
}

/// A token that was verified.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Arc<Map<String, Value>>,
    /// Kept alive as an address only, so that no later key can have the same.
    key: Weak<Key>,
    audiences: Arc<[String]>,
    /// A clock that was set back makes an entry as good as none.
    since: SystemTime,
    until: SystemTime,
}

impl Verified {
    /// What `key` has just verified for these audiences.
    pub(super) fn new(
        header: &Header,
        key: &Arc<Key>,
        audiences: &[String],
        claims: Arc<Map<String, Value>>,
    ) -> Option<Self> {
        Some(Self {
            algorithm: header.alg,
            key_id: header.kid.clone(),
            key: Arc::downgrade(key),
            audiences: audiences.into(),
            since: SystemTime::now(),
            until: claims::expiry(&claims)?,
            claims,
        })
    }

    /// Whether it was one of these keys that verified the token.
    pub(super) fn is_by<'k>(&self, mut keys: impl Iterator<Item = &'k Arc<Key>>) -> bool {
        keys.any(|key| std::ptr::eq(Arc::as_ptr(key), self.key.as_ptr()))
    }

    fn is_good(&self, audiences: &[String], now: SystemTime) -> bool {
        *self.audiences == *audiences && self.since <= now && now < self.until
    }
}

/// The tokens of late, bounded in number.
pub(super) struct Cache {
    entries: Mutex<HashMap<Fingerprint, Verified>>,
    capacity: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: Mutex::default(),
            capacity,
        }
    }

    pub(super) fn find(&self, token: &Fingerprint, audiences: &[String]) -> Option<Verified> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.get(token)?;
        let good = found.is_good(audiences, SystemTime::now());
        good.then(|| found.clone())
    }

    /// Only for tokens that were verified: who has none can't fill it.
    pub(super) fn keep(&self, token: Fingerprint, verified: Verified) {
        if self.capacity == 0 {
            return;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.capacity && !entries.contains_key(&token) {
            let now = SystemTime::now();
            entries.retain(|_, it| now < it.until);
            if entries.len() >= self.capacity {
                // Those in use come back at their next call.
                entries.clear();
            }
        }
        entries.insert(token, verified);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

    use std::time::Duration;

    use super::*;

    fn key() -> Arc<Key> {
        Arc::new(Key::from_secret(&[7; 32], &[Algorithm::HS256]).unwrap())
    }

    fn seconds(time: SystemTime) -> u64 {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        since.as_secs()
    }

    fn verified(key: &Arc<Key>, expires_in: u64) -> Verified {
        let claims = serde_json::json!({ "exp": seconds(SystemTime::now()) + expires_in });
        let claims = Arc::new(claims.as_object().unwrap().clone());
        Verified::new(&Header::default(), key, &["here".to_owned()], claims).unwrap()
    }

    #[test]
    fn an_entry_counts_for_its_audiences_and_until_its_expiry() {
        let kept = verified(&key(), 100);
        let here = ["here".to_owned()];
        let now = SystemTime::now();
        assert!(kept.is_good(&here, now));
        assert!(!kept.is_good(&["there".to_owned()], now));
        assert!(!kept.is_good(&[here[0].clone(), "there".to_owned()], now));
        assert!(!kept.is_good(&[], now));
        assert!(!kept.is_good(&here, now + Duration::from_secs(101)));
        assert!(!kept.is_good(&here, now - Duration::from_secs(60)));
    }

    #[test]
    fn an_entry_counts_only_while_its_very_key_does() {
        let (ours, same_secret) = (key(), key());
        let kept = verified(&ours, 100);
        assert!(kept.is_by([&same_secret, &ours].into_iter()));
        assert!(!kept.is_by([&same_secret].into_iter()));
        assert!(!kept.is_by([].into_iter()));
    }

    #[test]
    fn it_stays_within_its_capacity_and_what_has_expired_goes_first() {
        let (cache, key) = (Cache::new(2), key());
        let here = ["here".to_owned()];
        cache.keep(fingerprint("a"), verified(&key, 100));
        cache.keep(fingerprint("b"), verified(&key, 0));
        cache.keep(fingerprint("c"), verified(&key, 100));
        assert!(cache.find(&fingerprint("a"), &here).is_some());
        assert!(cache.find(&fingerprint("b"), &here).is_none());
        assert!(cache.find(&fingerprint("c"), &here).is_some());
        cache.keep(fingerprint("d"), verified(&key, 100));
        assert!(cache.find(&fingerprint("d"), &here).is_some());
        assert_eq!(cache.entries.lock().unwrap().len(), 1);
        let off = Cache::new(0);
        off.keep(fingerprint("a"), verified(&key, 100));
        assert!(off.find(&fingerprint("a"), &here).is_none());
    }
}
