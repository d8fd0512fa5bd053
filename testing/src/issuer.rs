//! An identity provider for tests: a key pair made on the spot, and tokens signed with it.
//!
//! Invariant: its tokens pass or fail through the same verification as real ones. Nothing here is a
//! way around the authenticator; the private key never leaves the value.

use crate::error::{Doing, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What stands before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Signs tokens (EdDSA) as an identity provider would.
///
/// ```
/// use watertight_test::Issuer;
///
/// let issuer = Issuer::new("https://id.example.com")?;
/// let token = issuer
///     .token("https://mcp.example.com/mcp", "alice")
///     .claim("org_id", "6e6f7274-6877-4e64-8a11-0c5e71d39f02")
///     .scopes("customers:read")
///     .sign()?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), watertight_test::Error>(())
/// ```
pub struct Issuer {
    name: String,
    key_id: String,
    key: EncodingKey,
    jwk: Jwk,
}

impl Issuer {
    /// An issuer with a fresh key. `name` is the `iss` claim of its tokens.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let mut random = [0_u8; 40];
        getrandom::fill(&mut random)
            .map_err(|e| e.to_string())
            .doing("make a key")?;
        let (seed, id) = random.split_at(32);
        let key = EncodingKey::from_ed_der(&[&PKCS8[..], seed].concat());
        let key_id = URL_SAFE_NO_PAD.encode(id);
        let mut jwk =
            Jwk::from_encoding_key(&key, Algorithm::EdDSA).doing("derive the public key")?;
        jwk.common.key_id = Some(key_id.clone());
        Ok(Self {
            name: name.into(),
            key_id,
            key,
            jwk,
        })
    }

    /// The `iss` claim.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key as a JWK set: for `JwtAuthenticatorBuilder::jwk_set`, or to be served.
    #[must_use]
    pub fn jwk_set(&self) -> String {
        json!({ "keys": [self.jwk] }).to_string()
    }

    /// An issuer with another key that claims this one's name and key id.
    ///
    /// # Errors
    /// As [`Issuer::new`].
    pub fn impostor(&self) -> Result<Self> {
        let mut other = Self::new(self.name.clone())?;
        other.jwk.common.key_id = Some(self.key_id.clone());
        other.key_id.clone_from(&self.key_id);
        Ok(other)
    }

    /// A token for `audience` about `subject`, valid for an hour; add claims, then sign it.
    pub fn token(&self, audience: impl Into<String>, subject: impl Into<String>) -> Token<'_> {
        let now = now();
        let mut claims = Map::new();
        claims.insert("iss".into(), self.name.clone().into());
        claims.insert("aud".into(), Value::String(audience.into()));
        claims.insert("sub".into(), Value::String(subject.into()));
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), (now + 3600).into());
        Token {
            issuer: self,
            claims,
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A token that is not signed yet.
#[must_use = "a token is made by `sign`"]
pub struct Token<'a> {
    issuer: &'a Issuer,
    claims: Map<String, Value>,
}

impl Token<'_> {
    /// Adds a claim, or replaces one.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// The scopes, separated by spaces.
    pub fn scopes(self, scopes: &str) -> Self {
        self.claim("scope", scopes)
    }

    /// Makes it valid for this long from now.
    pub fn valid_for(self, time: Duration) -> Self {
        self.claim("exp", now().saturating_add(time.as_secs()))
    }

    /// Makes it a token that ran out this long ago.
    pub fn expired_for(self, age: Duration) -> Self {
        let then = now().saturating_sub(age.as_secs());
        self.claim("iat", then.saturating_sub(3600))
            .claim("exp", then)
    }

    /// The signed token.
    ///
    /// # Errors
    /// If the signature can't be made.
    pub fn sign(self) -> Result<String> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.issuer.key_id.clone());
        jsonwebtoken::encode(&header, &self.claims, &self.issuer.key).doing("sign a token")
    }

    /// The same token with `"alg":"none"` and no signature, which no server may accept.
    #[must_use]
    pub fn unsigned(self) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.issuer.key_id });
        format!("{}.{}.", part(header), part(Value::Object(self.claims)))
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("issuer", &self.issuer.name)
            .finish_non_exhaustive()
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    fn verify(
        issuer: &Issuer,
        token: &str,
    ) -> std::result::Result<Value, jsonwebtoken::errors::Error> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&["here"]);
        rules.set_issuer(&[issuer.name()]);
        let key = DecodingKey::from_jwk(&issuer.jwk)?;
        decode::<Value>(token, &key, &rules).map(|data| data.claims)
    }

    #[test]
    fn a_signed_token_verifies_with_the_published_key() {
        let issuer = Issuer::new("https://id.test").unwrap();
        let token = issuer
            .token("here", "alice")
            .claim("org_id", "x")
            .scopes("a b")
            .sign()
            .unwrap();
        let claims = verify(&issuer, &token).unwrap();
        assert_eq!(
            (&claims["org_id"], &claims["scope"]),
            (&json!("x"), &json!("a b"))
        );
        assert_eq!(
            decode_header(&token).unwrap().kid.as_deref(),
            Some(issuer.key_id.as_str())
        );
    }

    #[test]
    fn forged_expired_and_unsigned_tokens_do_not_verify() {
        let issuer = Issuer::new("https://id.test").unwrap();
        let impostor = issuer.impostor().unwrap();
        let forged = impostor.token("here", "alice").sign().unwrap();
        assert!(verify(&issuer, &forged).is_err());
        assert!(
            verify(&impostor, &forged).is_ok(),
            "the forgery is well-formed"
        );
        let old = issuer
            .token("here", "alice")
            .expired_for(Duration::from_secs(600))
            .sign()
            .unwrap();
        assert!(verify(&issuer, &old).is_err());
        assert!(verify(&issuer, &issuer.token("here", "alice").unsigned()).is_err());
        assert!(verify(&issuer, &issuer.token("there", "alice").sign().unwrap()).is_err());
    }

    #[test]
    fn debug_output_shows_no_key() {
        let text = format!("{:?}", Issuer::new("https://id.test").unwrap());
        assert_eq!(text, r#"Issuer { name: "https://id.test", .. }"#);
    }
}
