//! The keys of one trail: the one in use, and those that were before it.
//!
//! Invariant: a chain names its key, and no other key speaks for it. What an earlier key says counts up
//! to the time at which it was given up.

use std::fmt;
use std::str::FromStr;

use crate::chain::Floor;
use crate::key::{AuditKey, Mac, TenantKey};

/// What a key is known by: eight digits that tell nothing of it, at the beginning of its writers' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl KeyId {
    pub(crate) fn of(mac: &Mac) -> Self {
        let [a, b, c, d, ..] = *mac.as_bytes();
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    /// The key that a writer's name names, if it names one.
    #[must_use]
    pub fn of_writer(writer: &str) -> Option<Self> {
        let (id, rest) = writer.split_once('-')?;
        let digits = |text: &str| {
            text.bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        };
        let whole = id.len() == 8 && rest.len() == 32 && digits(id) && digits(rest);
        whole.then(|| id.parse().ok()).flatten()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for KeyId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(text, 16).map(Self)
    }
}

/// The key in use, and earlier ones.
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: AuditKey,
    /// Newest first, each with the time from which on nothing was written under it.
    earlier: Vec<(AuditKey, Option<i64>)>,
}

impl KeyRing {
    /// With one key.
    #[must_use]
    pub const fn new(current: AuditKey) -> Self {
        Self {
            current,
            earlier: Vec::new(),
        }
    }

    /// With the key before those that it has. `until`, in microseconds since 1970, is when the last
    /// process that wrote under it had ended; without, nothing shows that it was used later.
    #[must_use]
    pub fn and(mut self, earlier: AuditKey, until: Option<i64>) -> Self {
        self.earlier.push((earlier, until));
        self
    }

    /// The key in use.
    #[must_use]
    pub const fn current(&self) -> &AuditKey {
        &self.current
    }

    /// What its keys are known by, newest first, and whether each is in use or has an end.
    pub fn ids(&self) -> impl Iterator<Item = (KeyId, bool)> {
        let earlier = self.earlier.iter();
        std::iter::once((self.current.id(), true))
            .chain(earlier.map(|(key, until)| (key.id(), until.is_some())))
    }

    /// One tenant's keys.
    #[must_use]
    pub fn tenant(&self, tenant: &str) -> TenantRing {
        let of = |key: &AuditKey, until| RingKey {
            id: key.id(),
            key: key.tenant(tenant),
            until,
            before: None,
        };
        let current = of(&self.current, None);
        let mut keys = vec![current.clone()];
        keys.extend(self.earlier.iter().map(|(key, until)| of(key, *until)));
        TenantRing { current, keys }
    }
}

/// The keys of one tenant's trail.
#[derive(Clone, Debug)]
pub struct TenantRing {
    current: RingKey,
    /// All of them, newest first.
    keys: Vec<RingKey>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// What it is known by.
    pub id: KeyId,
    /// The key.
    pub key: TenantKey,
    /// From when on, in microseconds since 1970, nothing was written under it.
    pub until: Option<i64>,
    /// A row that was stored after that, whatever the rows say of themselves.
    pub before: Option<i64>,
}

impl RingKey {
    /// Whether a row of this id, stored at this time by its own account, is of the time after the key.
    #[must_use]
    pub fn is_past(&self, id: i64, recorded_at: i64) -> bool {
        self.until.is_some_and(|until| recorded_at > until)
            || self.before.is_some_and(|before| id > before)
    }
}

impl TenantRing {
    /// The key in use.
    #[must_use]
    pub const fn current(&self) -> &TenantKey {
        &self.current.key
    }

    /// All of them, newest first.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// Tells each key with an end of the first row that was stored after that end.
    pub fn note_rows(&mut self, of: impl Fn(KeyId) -> Option<i64>) {
        for key in self.keys.iter_mut().filter(|key| key.until.is_some()) {
            key.before = of(key.id);
        }
    }

    /// The keys that a chain may be under: those of the name that its writer bears, or all if it bears
    /// none. None, if that key is not among these.
    pub fn of_writer(&self, writer: &str) -> impl Iterator<Item = &RingKey> {
        let named = KeyId::of_writer(writer);
        let mut keys = self.keys.iter();
        std::iter::from_fn(move || keys.find(|key| named.is_none_or(|named| named == key.id)))
    }

    /// Whether a holder of a key that could say so has given up what the floor says: one that is no
    /// older than the chain's, and before its end.
    #[must_use]
    pub fn proves(&self, floor: &Floor, found: &Mac) -> bool {
        self.proven(floor, |key| floor.proof(key).matches(found))
    }

    /// The same for an erased trail.
    #[must_use]
    pub fn proves_erased(&self, floor: &Floor, found: &Mac) -> bool {
        self.proven(floor, |key| floor.tombstone(key).matches(found))
    }

    fn proven(&self, floor: &Floor, matches: impl Fn(&TenantKey) -> bool) -> bool {
        let of_chain = KeyId::of_writer(&floor.head.writer);
        let place = |id: KeyId| self.keys.iter().position(|key| key.id == id);
        let newest = of_chain.and_then(place).unwrap_or(usize::MAX);
        let able = self.keys.iter().take(newest.saturating_add(1));
        able.filter(|key| key.until.is_none_or(|until| floor.before <= until))
            .any(|key| matches(&key.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Head;

    #[test]
    fn a_writer_names_its_key() {
        let key = AuditKey::new([7; 32]);
        let writer = key.writer("0123456789abcdef0123456789abcdef");
        assert_eq!(KeyId::of_writer(&writer), Some(key.id()));
        assert_eq!(writer.len(), 8 + 1 + 32);
        assert_ne!(key.id(), AuditKey::new([8; 32]).id());
        for other in [
            "0123456789abcdef0123456789abcdef",
            "w1",
            "01234567-0123",
            "0123456G-0123456789abcdef0123456789abcdef",
            "+1234567-0123456789abcdef0123456789abcdef",
            "",
        ] {
            assert_eq!(KeyId::of_writer(other), None, "{other}");
        }
    }

    #[test]
    fn an_earlier_key_gives_up_nothing_of_a_later_one_and_nothing_after_its_end() {
        let (old, new) = (AuditKey::new([1; 32]), AuditKey::new([2; 32]));
        let ring = KeyRing::new(new.clone()).and(old.clone(), Some(1_000));
        let ring = ring.tenant("acme");
        let floor = |writer: &AuditKey, before| Floor {
            head: Head {
                tenant: "acme".to_owned(),
                writer: writer.writer("0123456789abcdef0123456789abcdef"),
                seq: 3,
                mac: Mac::NONE,
                recorded_at: None,
            },
            before,
        };
        let proven = |floor: &Floor, by: &AuditKey| {
            let by = by.tenant("acme");
            assert!(!ring.proves(floor, &floor.tombstone(&by)));
            assert_eq!(
                ring.proves(floor, &floor.proof(&by)),
                ring.proves_erased(floor, &floor.tombstone(&by))
            );
            ring.proves(floor, &floor.proof(&by))
        };
        assert!(proven(&floor(&old, 1_000), &old));
        assert!(!proven(&floor(&old, 1_001), &old));
        assert!(proven(&floor(&old, 1_001), &new));
        assert!(!proven(&floor(&new, 900), &old));
        assert!(proven(&floor(&new, 900), &new));
        assert!(!proven(&floor(&new, 900), &AuditKey::new([3; 32])));
    }
}
