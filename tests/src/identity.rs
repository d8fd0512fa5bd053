//! Keys of every kind that an identity provider uses, made for the test, and tokens signed with
//! them, right and wrong.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::elliptic_curve::rand_core::{OsRng, RngCore};
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::EncodePublicKey;
use serde_json::{Value, json};

/// The issuer of every token that is right.
pub const ISSUER: &str = "https://id.test";
/// The tenant that [`claims`] names.
pub const ACME: &str = "0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07";
/// Another tenant.
pub const BETA: &str = "5b1d2f60-93c4-4a77-8e21-c0ffee15bad5";

/// A key pair of an identity provider.
#[derive(Debug)]
pub struct SigningKey {
    /// The key id in the token's header.
    pub id: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    key: EncodingKey,
    public_pem: Option<String>,
}

impl SigningKey {
    /// An RSA key of 2048 bits, made once, because that takes a while.
    pub fn rsa() -> Self {
        static KEY: OnceLock<rsa::RsaPrivateKey> = OnceLock::new();
        let key = KEY.get_or_init(|| rsa::RsaPrivateKey::new(&mut OsRng, 2048).unwrap());
        Self::of_rsa(key)
    }

    /// An RSA key that is too short to be accepted.
    pub fn short_rsa() -> Self {
        Self::of_rsa(&rsa::RsaPrivateKey::new(&mut OsRng, 1024).unwrap())
    }

    fn of_rsa(key: &rsa::RsaPrivateKey) -> Self {
        let der = key.to_pkcs1_der().unwrap();
        let pem = key
            .to_public_key()
            .to_public_key_pem(rsa::pkcs8::LineEnding::LF)
            .unwrap();
        Self::new(
            Algorithm::RS256,
            EncodingKey::from_rsa_der(der.as_bytes()),
            Some(pem),
        )
    }

    /// A P-256 key.
    pub fn ec() -> Self {
        let key = p256::SecretKey::random(&mut OsRng);
        let der = key.to_pkcs8_der().unwrap();
        let pem = key
            .public_key()
            .to_public_key_pem(p256::pkcs8::LineEnding::LF)
            .unwrap();
        Self::new(
            Algorithm::ES256,
            EncodingKey::from_ec_der(der.as_bytes()),
            Some(pem),
        )
    }

    /// An Ed25519 key, in PKCS #8 as RFC 8410, 7 has it.
    pub fn ed() -> Self {
        let mut der = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        der.extend_from_slice(&random::<32>());
        Self::new(Algorithm::EdDSA, EncodingKey::from_ed_der(&der), None)
    }

    fn new(algorithm: Algorithm, key: EncodingKey, public_pem: Option<String>) -> Self {
        Self {
            id: URL_SAFE_NO_PAD.encode(random::<8>()),
            algorithm,
            key,
            public_pem,
        }
    }

    /// The same key under another id.
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// The public key as PEM text.
    pub fn public_pem(&self) -> &str {
        self.public_pem.as_deref().unwrap()
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A header for this key's tokens.
    pub fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        header
    }

    /// Signs claims.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    /// Signs a header and claims as they stand, whatever they are.
    pub fn sign_texts(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
        self.sign_parts(&header, &claims)
    }

    /// Signs what stands in front of the signature.
    pub fn sign_parts(&self, header: &str, claims: &str) -> String {
        let message = format!("{header}.{claims}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        format!("{message}.{}", signature.unwrap())
    }

    /// Signs claims under another header.
    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }
}

/// The published set of some keys.
pub fn jwk_set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Claims that are right: `subject` of [`ACME`], for `audience`, valid for an hour, with one scope.
pub fn claims(audience: &str, subject: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": audience,
        "sub": subject,
        "iat": now(),
        "exp": now() + 3600,
        "org_id": ACME,
        "scope": "tickets:read",
    })
}

/// The same claims with one replaced, or removed if the new value is null.
pub fn with(mut claims: Value, name: &str, value: Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

/// A token in plain parts, signed with the given bytes.
pub fn raw_token(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(header),
        part(claims),
        URL_SAFE_NO_PAD.encode(signature)
    )
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
