//! API keys: for programs whose owners have no identity provider.
//!
//! Invariant: what is stored can't be used to sign in. A key is looked up by its public part; the
//! digest of the whole is compared in constant time, also where there is nothing to compare with.

use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{AuthError, AuthRequest, Authenticator, TenantChoice};
use crate::id::{TenantId, TenantKind};
use crate::session::Session;

/// 96 bits name a key, 256 are its secret; both in hexadecimal.
const ID_DIGITS: usize = 24;
const SECRET_DIGITS: usize = 64;

/// A key that was just made. Store [`id`](NewApiKey::id) and [`hash`](NewApiKey::hash), show
/// [`text`](NewApiKey::text) to its owner once, and forget it.
pub struct NewApiKey {
    text: String,
    id: String,
    hash: String,
}

impl NewApiKey {
    /// A key of 256 random bits that begins with `prefix`: `crm_0f1e…_9a8b…`. The prefix tells your
    /// keys from other tokens, also to scanners that look for leaked secrets.
    ///
    /// # Errors
    /// If the prefix is not of 2 to 16 small letters and digits, or the system has no random numbers.
    pub fn generate(prefix: &str) -> Result<Self, InvalidApiKeys> {
        check_prefix(prefix)?;
        let mut random = [0; (ID_DIGITS + SECRET_DIGITS) / 2];
        getrandom::fill(&mut random)
            .map_err(|error| InvalidApiKeys(format!("no random numbers: {error}")))?;
        let digits = hexadecimal(&random);
        let (id, secret) = digits.split_at(ID_DIGITS);
        let text = format!("{prefix}_{id}_{secret}");
        Ok(Self {
            hash: hexadecimal(&digest(&text)),
            id: id.to_owned(),
            text,
        })
    }

    /// The key itself: what its owner sends as `Authorization: Bearer …`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is looked up by. No secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored of it: SHA-256 in hexadecimal. A slow hash is for secrets that people choose; this
    /// one has 256 bits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

// By hand: the derived form would print the key.
impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewApiKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What is stored of a key, and whose it is.
#[derive(Clone, Debug)]
pub struct StoredApiKey {
    hash: String,
    tenant: TenantId,
    subject: String,
    scopes: Vec<String>,
    expires_at: Option<SystemTime>,
}

impl StoredApiKey {
    /// The key with this [hash](NewApiKey::hash) is `subject`'s, for `tenant`. It grants no scopes.
    pub fn new(hash: impl Into<String>, subject: impl Into<String>, tenant: TenantId) -> Self {
        Self {
            hash: hash.into(),
            tenant,
            subject: subject.into(),
            scopes: Vec::new(),
            expires_at: None,
        }
    }

    /// The scopes that the key grants.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// When it stops being valid.
    #[must_use]
    pub fn expires_at(mut self, when: SystemTime) -> Self {
        self.expires_at = Some(when);
        self
    }
}

/// Where keys are stored. A function `Fn(String) -> impl Future<Output = Result<Option<StoredApiKey>,
/// AuthError>>` is one.
pub trait ApiKeyStore: Send + Sync + 'static {
    /// The key with this id, if there is one that was not revoked. It is asked for every request, so a
    /// key that was deleted stops working at once.
    ///
    /// Before there is a tenant, that is work for a [`SystemPool`](crate::SystemPool).
    ///
    /// # Errors
    /// [`AuthError::unavailable`] if that can't be found out now.
    fn find(
        &self,
        id: String,
    ) -> impl Future<Output = Result<Option<StoredApiKey>, AuthError>> + Send;
}

impl<S, F> ApiKeyStore for S
where
    S: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Option<StoredApiKey>, AuthError>> + Send,
{
    fn find(
        &self,
        id: String,
    ) -> impl Future<Output = Result<Option<StoredApiKey>, AuthError>> + Send {
        self(id)
    }
}

/// API keys in front of another authenticator, or alone.
///
/// ```
/// use watertight::TenantId;
/// use watertight::auth::{ApiKeys, AuthError, NewApiKey, StoredApiKey};
///
/// // When a customer asks for a key: store two parts of it.
/// let key = NewApiKey::generate("crm")?;
/// let (id, hash) = (key.id().to_owned(), key.hash().to_owned());
///
/// // In the server: look keys up, with a `#[system_query]` for example.
/// let keys = ApiKeys::new("crm", TenantId::bigint(7).kind(), move |wanted: String| {
///     let found = (wanted == id).then(|| StoredApiKey::new(&hash, "nightly-import", TenantId::bigint(7)));
///     async move { Ok::<_, AuthError>(found) }
/// })?;
/// // let auth = keys.or(jwt);
/// # let _ = keys;
/// # Ok::<(), watertight::auth::InvalidApiKeys>(())
/// ```
///
/// In the audit trail the issuer is `api-key:crm`.
pub struct ApiKeys<S, N = Nobody> {
    prefix: String,
    kind: TenantKind,
    store: S,
    next: N,
    used: Option<Used>,
}

type Used = Box<dyn Fn(&str) + Send + Sync>;

/// A prefix that no key can have, or keys of another kind than the authenticator beside them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("API keys: {0}")]
pub struct InvalidApiKeys(String);

impl<S: ApiKeyStore> ApiKeys<S> {
    /// Keys that begin with `prefix`, whose tenants are of this kind.
    ///
    /// # Errors
    /// If the prefix is not of 2 to 16 small letters and digits.
    pub fn new(prefix: &str, kind: TenantKind, store: S) -> Result<Self, InvalidApiKeys> {
        check_prefix(prefix)?;
        Ok(Self {
            prefix: prefix.to_owned(),
            kind,
            store,
            next: Nobody,
            used: None,
        })
    }

    /// What does not begin with the prefix is this authenticator's to judge.
    ///
    /// # Errors
    /// If its tenants are of another kind.
    pub fn or<N: Authenticator>(self, next: N) -> Result<ApiKeys<S, N>, InvalidApiKeys> {
        match next.tenant_kind() {
            Some(kind) if kind != self.kind => Err(InvalidApiKeys(format!(
                "their tenants are of kind {:?}, and those of the other authenticator of kind {kind:?}",
                self.kind
            ))),
            _ => Ok(ApiKeys {
                prefix: self.prefix,
                kind: self.kind,
                store: self.store,
                next,
                used: self.used,
            }),
        }
    }
}

impl<S, N> ApiKeys<S, N> {
    /// Is called with the id of each key that was accepted, for a record of when it was last used. It
    /// must not wait; hand the id to a task.
    #[must_use]
    pub fn on_use(mut self, used: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.used = Some(Box::new(used));
        self
    }
}

impl<S: ApiKeyStore, N: Authenticator> ApiKeys<S, N> {
    async fn verify(&self, key: &str, request: &AuthRequest<'_>) -> Result<Session, AuthError> {
        let refused = || AuthError::rejected("the API key is not known");
        let id = self.id_of(key).ok_or_else(refused)?;
        let stored = self.store.find(id.to_owned()).await?;
        let hash = stored.as_ref().and_then(|stored| bytes_of(&stored.hash));
        // Without a key the comparison is made all the same, with what nothing hashes to.
        let equal = digest(key).ct_eq(&hash.unwrap_or_default()).into();
        let (Some(stored), true, Some(_)) = (stored, equal, hash) else {
            return Err(refused());
        };
        if stored
            .expires_at
            .is_some_and(|when| when <= SystemTime::now())
        {
            return Err(AuthError::rejected("the API key has expired"));
        }
        if stored.tenant.kind() != self.kind {
            return Err(AuthError::rejected(
                "the API key's tenant is of another kind",
            ));
        }
        // Where requests choose, a key's request must choose the key's own tenant.
        if let Some(choice) = self.next.tenant_choice() {
            choice.among(std::slice::from_ref(&stored.tenant), request, self.kind)?;
        }
        if let Some(used) = &self.used {
            used(id);
        }
        let issuer = format!("api-key:{}", self.prefix);
        let mut verified = request
            .verified(issuer, stored.subject, stored.tenant)
            .scopes(stored.scopes)
            .client(id);
        if let Some(when) = stored.expires_at {
            verified = verified.expires_at(when);
        }
        Ok(verified.into_session())
    }

    /// The public part, if this is spelled as a key is.
    fn id_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(&self.prefix)?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        let digits = |text: &str| {
            text.bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        };
        let whole = id.len() == ID_DIGITS && secret.len() == SECRET_DIGITS;
        (whole && digits(id) && digits(secret)).then_some(id)
    }

    fn is_ours(&self, token: &str) -> bool {
        let rest = token.strip_prefix(&self.prefix);
        rest.is_some_and(|rest| rest.starts_with('_'))
    }
}

impl<S: ApiKeyStore, N: Authenticator> Authenticator for ApiKeys<S, N> {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        match request.bearer() {
            Some(token) if self.is_ours(token) => self.verify(token, &request).await,
            _ => self.next.authenticate(request).await,
        }
    }

    fn issuers(&self) -> Vec<String> {
        self.next.issuers()
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        Some(self.kind)
    }

    fn tenant_choice(&self) -> Option<TenantChoice> {
        self.next.tenant_choice()
    }
}

impl<S, N> fmt::Debug for ApiKeys<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Accepts nobody: what stands behind [`ApiKeys`] that stand alone.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Authenticator for Nobody {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        Err(match request.bearer() {
            Some(_) => AuthError::rejected("the token is no API key"),
            None => AuthError::missing(),
        })
    }
}

fn check_prefix(prefix: &str) -> Result<(), InvalidApiKeys> {
    let right = (2..=16).contains(&prefix.len())
        && prefix
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    match right {
        true => Ok(()),
        false => Err(InvalidApiKeys(format!(
            "`{prefix}` can't be their prefix: use 2 to 16 small letters and digits, such as `crm`"
        ))),
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes_of(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_spelled_in_one_way() {
        let keys = ApiKeys::new("crm", TenantKind::Bigint, |_: String| async { Ok(None) }).unwrap();
        let key = NewApiKey::generate("crm").unwrap();
        assert_eq!(keys.id_of(key.text()), Some(key.id()));
        assert_eq!(bytes_of(key.hash()), Some(digest(key.text())));
        assert!(!format!("{key:?}").contains(key.text()));
        for wrong in [
            key.text().to_uppercase(),
            key.text().replacen("crm", "cr", 1),
            format!("{} ", key.text()),
            format!("{}0", key.text()),
            key.text().replacen('_', "__", 1),
            "crm__".to_owned(),
            String::new(),
        ] {
            assert_eq!(keys.id_of(&wrong), None, "{wrong}");
        }
        assert_ne!(NewApiKey::generate("crm").unwrap().id(), key.id());
    }

    #[test]
    fn prefixes_are_plain() {
        for wrong in ["", "a", "CRM", "a_b", "a-b", "ä1", "abcdefghijklmnopq"] {
            assert!(NewApiKey::generate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stored_hash_is_all_of_it() {
        assert_eq!(bytes_of("00"), None);
        assert_eq!(bytes_of(&"zz".repeat(32)), None);
        assert_eq!(bytes_of(&"0f".repeat(32)), Some([15; 32]));
        assert_eq!(bytes_of(&"ä".repeat(32)), None);
    }
}
