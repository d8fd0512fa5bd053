//! Verification keys and what each may verify.
//!
//! Invariant: a key carries the algorithms it is for, cut down to the allow-list, all of one
//! family. A public key never verifies an HMAC, so the old confusion of taking a public key for a
//! shared secret has nowhere to happen.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::Value;

/// 2048 bits, the least that RFC 7518, 3.3 allows.
const MIN_RSA_BYTES: usize = 256;
/// As long as the digest of HS256 (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// More keys in one set than any issuer publishes.
const MAX_KEYS: usize = 100;

pub(super) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// The algorithms this key may verify.
    pub(super) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// A public key in PEM form, for one algorithm.
    pub(super) fn from_pem(id: Option<String>, alg: Algorithm, pem: &[u8]) -> Result<Self, String> {
        let decoding = match alg.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
            AlgorithmFamily::Hmac => {
                return Err(format!("{alg:?} takes a shared secret, not a public key"));
            }
        }
        .map_err(|error| format!("the PEM text is not a public key for {alg:?}: {error}"))?;
        // The DER form is a few bytes longer than the modulus.
        if let (AlgorithmFamily::Rsa, DecodingKeyKind::SecretOrDer(der)) =
            (alg.family(), decoding.kind())
            && der.len() < MIN_RSA_BYTES
        {
            return Err("an RSA key needs at least 2048 bits".into());
        }
        Ok(Self {
            id,
            algorithms: vec![alg],
            decoding,
        })
    }

    /// A shared secret for the HMAC algorithms.
    pub(super) fn from_secret(secret: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "a shared secret needs at least {MIN_SECRET_BYTES} bytes"
            ));
        }
        let algorithms = of_family(allowed, AlgorithmFamily::Hmac);
        Ok(Self {
            id: None,
            algorithms,
            decoding: DecodingKey::from_secret(secret),
        })
    }

    /// A key of a published set. `Err` says why it is of no use here.
    fn from_jwk(jwk: &Jwk, allowed: &[Algorithm]) -> Result<Self, &'static str> {
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err("it is not for signatures");
        }
        if common
            .key_operations
            .as_ref()
            .is_some_and(|ops| !ops.contains(&KeyOperations::Verify))
        {
            return Err("it is not for verification");
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                let modulus = URL_SAFE_NO_PAD
                    .decode(&rsa.n)
                    .map_err(|_| "it is malformed")?;
                if modulus.len() < MIN_RSA_BYTES {
                    return Err("an RSA key needs at least 2048 bits");
                }
                of_family(allowed, AlgorithmFamily::Rsa)
            }
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return Err("its curve is not supported"),
            },
            AlgorithmParameters::OctetKeyPair(okp) => match okp.curve {
                EllipticCurve::Ed25519 => vec![Algorithm::EdDSA],
                _ => return Err("its curve is not supported"),
            },
            // A secret that was published is none.
            AlgorithmParameters::OctetKey(_) => return Err("it is a shared secret"),
            _ => return Err("its type is not supported"),
        };
        if let Some(named) = common.key_algorithm {
            algorithms.retain(|&algorithm| KeyAlgorithm::from(algorithm) == named);
        }
        algorithms.retain(|algorithm| allowed.contains(algorithm));
        if algorithms.is_empty() {
            return Err("its algorithm is not on the allow-list");
        }
        let decoding = DecodingKey::from_jwk(jwk).map_err(|_| "it is malformed")?;
        Ok(Self {
            id: common.key_id.clone(),
            algorithms,
            decoding,
        })
    }
}

fn of_family(allowed: &[Algorithm], family: AlgorithmFamily) -> Vec<Algorithm> {
    allowed
        .iter()
        .copied()
        .filter(|algorithm| algorithm.family() == family)
        .collect()
}

/// Keys to choose from.
#[derive(Default)]
pub(super) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    pub(super) fn push(&mut self, key: Key) {
        self.0.push(Arc::new(key));
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a JWK set (RFC 7517, 5). Keys that are of no use here are skipped, as the RFC says,
    /// and named in the log.
    pub(super) fn from_jwks(text: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        let set: Value =
            serde_json::from_slice(text).map_err(|_| "the key set is not JSON".to_owned())?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or("the key set has no list `keys`")?;
        if keys.len() > MAX_KEYS {
            return Err(format!("the key set has more than {MAX_KEYS} keys"));
        }
        let mut usable = Self::default();
        for value in keys {
            let key = serde_json::from_value::<Jwk>(value.clone())
                .map_err(|_| "it is malformed")
                .and_then(|jwk| Key::from_jwk(&jwk, allowed));
            match key {
                Ok(key) => usable.push(key),
                Err(reason) => {
                    let kid = value.get("kid").and_then(Value::as_str);
                    tracing::debug!(kid, reason, "key of the set is skipped");
                }
            }
        }
        if usable.is_empty() {
            return Err("the key set has no usable key".into());
        }
        Ok(usable)
    }

    /// The keys that may have signed a token with this key id and algorithm. A key without an id
    /// is a candidate for any token, and a token without a key id is one for any key.
    pub(super) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Arc<Key>> {
        self.0.iter().filter(move |key| {
            let same_id = match (kid, key.id.as_deref()) {
                (Some(wanted), Some(id)) => wanted == id,
                _ => true,
            };
            same_id && key.algorithms.contains(&algorithm)
        })
    }
}
