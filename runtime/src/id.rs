//! Tenant identifiers: opaque values that reach SQL as a bind value or as a literal that this
//! module formats, and reach nothing else.
//!
//! Invariant: a `TenantId` cannot be printed, serialised, parsed from text or described as a
//! schema; its text never needs escaping inside a quoted SQL literal.

use std::borrow::Cow;
use std::fmt;

use subtle_eq::eq_without_early_exit;
use uuid::Uuid;

/// The longest text identifier that is accepted.
const MAX_TEXT: usize = 128;

/// Names the tenant organisation that a session, a scope or an audit record belongs to.
///
/// The type is a uuid, a bigint or a restricted text, whichever the tenant column of the schema
/// is. It has no `Display`, `Serialize`, `Deserialize`, `Default`, `FromStr` or JSON schema, so
/// that it can neither enter through a tool's input nor leave in its output by accident; `Debug`
/// prints only the kind.
///
/// ```
/// use watertight::TenantId;
/// let acme = TenantId::text("acme").unwrap();
/// assert_eq!(format!("{acme:?}"), "TenantId(text)");
/// assert!(TenantId::text("acme'; DROP TABLE customers --").is_err());
/// ```
#[derive(Clone)]
pub struct TenantId(Inner);

#[derive(Clone)]
enum Inner {
    Uuid(Uuid),
    Bigint(i64),
    /// `[A-Za-z0-9_.:-]{1,128}`, so it is its own quoted form.
    Text(Box<str>),
}

/// The type of the tenant column, hence of every tenant identifier of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TenantKind {
    /// `uuid`
    Uuid,
    /// `bigint`
    Bigint,
    /// `text` or `varchar`
    Text,
}

impl TenantKind {
    /// The PostgreSQL type that the setting's text is cast to.
    pub(crate) fn sql_type(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Bigint => "bigint",
            Self::Text => "text",
        }
    }
}

/// The text is not a tenant identifier: it is empty, longer than 128 characters, or contains
/// something other than letters, digits, `_`, `.`, `:` and `-`.
///
/// The message does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a tenant identifier: expected 1 to 128 characters out of letters, digits, `_`, `.`, `:`, `-`"
)]
pub struct InvalidTenantId(());

impl TenantId {
    /// A tenant that is named by a uuid.
    pub const fn uuid(id: Uuid) -> Self {
        Self(Inner::Uuid(id))
    }

    /// A tenant that is named by a number.
    pub const fn bigint(id: i64) -> Self {
        Self(Inner::Bigint(id))
    }

    /// A tenant that is named by a short text.
    ///
    /// # Errors
    /// If the text has a character outside `[A-Za-z0-9_.:-]`, is empty, or is longer than 128.
    /// The restriction lets the identifier travel inside the text of a `SET LOCAL`.
    pub fn text(id: &str) -> Result<Self, InvalidTenantId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
        if id.is_empty() || id.len() > MAX_TEXT || !id.bytes().all(allowed) {
            return Err(InvalidTenantId(()));
        }
        Ok(Self(Inner::Text(id.into())))
    }

    /// Reads an identifier of a known kind, as a token's claim spells it.
    ///
    /// # Errors
    /// If the text is not of that kind.
    pub(crate) fn parse(kind: TenantKind, text: &str) -> Result<Self, InvalidTenantId> {
        match kind {
            TenantKind::Uuid => Uuid::try_parse(text)
                .map(Self::uuid)
                .map_err(|_| InvalidTenantId(())),
            TenantKind::Bigint => text
                .parse()
                .map(Self::bigint)
                .map_err(|_| InvalidTenantId(())),
            TenantKind::Text => Self::text(text),
        }
    }

    /// Which of the three kinds this is.
    pub const fn kind(&self) -> TenantKind {
        match self.0 {
            Inner::Uuid(_) => TenantKind::Uuid,
            Inner::Bigint(_) => TenantKind::Bigint,
            Inner::Text(_) => TenantKind::Text,
        }
    }

    /// The text of the tenant setting: what `current_setting` returns inside a scope.
    ///
    /// It consists of `[A-Za-z0-9_.:-]` only, so between two quotes it is a SQL literal.
    pub(crate) fn as_setting(&self) -> Cow<'_, str> {
        match &self.0 {
            Inner::Uuid(id) => Cow::Owned(id.hyphenated().to_string()),
            Inner::Bigint(id) => Cow::Owned(id.to_string()),
            Inner::Text(id) => Cow::Borrowed(id),
        }
    }

    pub(crate) const fn as_uuid(&self) -> Option<Uuid> {
        match self.0 {
            Inner::Uuid(id) => Some(id),
            _ => None,
        }
    }

    pub(crate) const fn as_bigint(&self) -> Option<i64> {
        match self.0 {
            Inner::Bigint(id) => Some(id),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Inner::Text(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.kind().sql_type())
    }
}

impl PartialEq for TenantId {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Inner::Uuid(a), Inner::Uuid(b)) => eq_without_early_exit(a.as_bytes(), b.as_bytes()),
            (Inner::Bigint(a), Inner::Bigint(b)) => {
                eq_without_early_exit(&a.to_be_bytes(), &b.to_be_bytes())
            }
            (Inner::Text(a), Inner::Text(b)) => eq_without_early_exit(a.as_bytes(), b.as_bytes()),
            _ => false,
        }
    }
}

impl Eq for TenantId {}

impl std::hash::Hash for TenantId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        match &self.0 {
            Inner::Uuid(id) => id.hash(state),
            Inner::Bigint(id) => id.hash(state),
            Inner::Text(id) => id.hash(state),
        }
    }
}

mod subtle_eq {
    /// Compares all bytes of two equally long strings, so that the time taken does not tell how
    /// long their common prefix is.
    pub(super) fn eq_without_early_exit(a: &[u8], b: &[u8]) -> bool {
        let differing = a.iter().zip(b).fold(0_u8, |acc, (x, y)| acc | (x ^ y));
        a.len() == b.len() && std::hint::black_box(differing) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_restricted_to_what_needs_no_escaping() {
        for good in ["a", "acme-1", "org:Acme_9.eu", &"x".repeat(128)] {
            assert!(TenantId::text(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a'b",
            "a\\b",
            "a\0",
            "ä",
            "a;b",
            "$1",
            &"x".repeat(129),
        ] {
            assert!(TenantId::text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_does_not_print_the_value() {
        let id = Uuid::from_u128(0x1234_5678);
        let shown = format!("{:?} {:?}", TenantId::uuid(id), TenantId::bigint(4711));
        assert_eq!(shown, "TenantId(uuid) TenantId(bigint)");
    }

    #[test]
    fn equality_respects_kind_and_value() {
        let (one, two) = (TenantId::bigint(1), TenantId::bigint(2));
        assert_eq!(one, TenantId::bigint(1));
        assert_ne!(one, two);
        assert_ne!(one, TenantId::text("1").unwrap());
        assert_ne!(
            TenantId::text("ab").unwrap(),
            TenantId::text("abc").unwrap()
        );
    }

    #[test]
    fn parse_follows_the_kind() {
        assert_eq!(
            TenantId::parse(TenantKind::Bigint, "7").unwrap(),
            TenantId::bigint(7)
        );
        assert!(TenantId::parse(TenantKind::Uuid, "7").is_err());
        assert!(TenantId::parse(TenantKind::Bigint, "7; DROP").is_err());
    }
}
