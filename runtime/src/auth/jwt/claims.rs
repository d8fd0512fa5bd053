//! From verified claims to a session.
//!
//! Invariant: each claim has exactly the type that was configured; there is no default tenant, no
//! conversion between types and no fallback to another claim.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::auth::{AuthError, AuthRequest};
use crate::id::{TenantId, TenantKind};
use crate::session::Session;

/// Where tenant and scopes are found.
pub(super) struct ClaimNames {
    pub(super) tenant: String,
    pub(super) tenant_kind: TenantKind,
    /// `None`: the two usual ones, `scope` and `scp`.
    pub(super) scopes: Option<String>,
}

impl ClaimNames {
    /// Builds the session. The caller has verified signature, issuer, audience and times.
    pub(super) fn session(
        &self,
        issuer: &str,
        claims: &Map<String, Value>,
        request: &AuthRequest<'_>,
    ) -> Result<Session, AuthError> {
        // The library accepts a list of issuers of which one is right. RFC 7519 has one string.
        if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err(AuthError::rejected(
                "the token's issuer is not a single text",
            ));
        }
        // RFC 9449 and RFC 8705: such a token is worth something only together with a proof that
        // is not checked here, so it must not be accepted as a plain bearer token.
        if claims.contains_key("cnf") {
            return Err(AuthError::rejected("the token is bound to a key (`cnf`)"));
        }
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .filter(|sub| !sub.is_empty());
        let subject = subject.ok_or_else(|| AuthError::rejected("the token has no subject"))?;
        let tenant = self.tenant(claims)?;
        let scopes = self.scopes(claims)?;
        let expires_at = expiry(claims)
            .ok_or_else(|| AuthError::rejected("the token's expiry is out of range"))?;
        let mut verified = request
            .verified(issuer, subject, tenant)
            .scopes(scopes)
            .expires_at(expires_at);
        let client = claims.get("client_id").or_else(|| claims.get("azp"));
        if let Some(client) = client.and_then(Value::as_str) {
            verified = verified.client(client);
        }
        Ok(verified.into_session())
    }

    fn tenant(&self, claims: &Map<String, Value>) -> Result<TenantId, AuthError> {
        let value = self
            .lookup_tenant(claims)
            .ok_or_else(|| AuthError::rejected("the token has no tenant claim"))?;
        let tenant = match (self.tenant_kind, value) {
            // Only the hyphenated form: the parser would also take braces and a URN.
            (TenantKind::Uuid, Value::String(text)) if text.len() != 36 => None,
            (kind @ (TenantKind::Uuid | TenantKind::Text), Value::String(text)) => {
                TenantId::parse(kind, text).ok()
            }
            (TenantKind::Bigint, Value::Number(number)) => number.as_i64().map(TenantId::bigint),
            _ => None,
        };
        tenant.ok_or_else(|| AuthError::rejected("the tenant claim is not of the configured type"))
    }

    fn lookup_tenant<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        match self.tenant.strip_prefix('/') {
            None => claims.get(&self.tenant),
            Some(path) => {
                let (first, rest) = path.split_once('/').unwrap_or((path, ""));
                let value = claims.get(first)?;
                if rest.is_empty() {
                    Some(value)
                } else {
                    value.pointer(&format!("/{rest}"))
                }
            }
        }
    }

    /// A text of words (RFC 8693, 4.2), or a list of texts, as several issuers write it.
    fn scopes(&self, claims: &Map<String, Value>) -> Result<Vec<String>, AuthError> {
        let value = match &self.scopes {
            Some(name) => claims.get(name),
            None => claims.get("scope").or_else(|| claims.get("scp")),
        };
        let malformed = || AuthError::rejected("the scopes claim is neither a text nor a list");
        match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => {
                Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
            }
            Some(Value::Array(items)) => {
                let scope = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(malformed);
                items.iter().map(scope).collect()
            }
            Some(_) => Err(malformed()),
        }
    }
}

fn expiry(claims: &Map<String, Value>) -> Option<SystemTime> {
    let exp = claims.get("exp")?;
    let seconds = match exp.as_u64() {
        Some(whole) => Duration::from_secs(whole),
        None => Duration::try_from_secs_f64(exp.as_f64()?).ok()?,
    };
    UNIX_EPOCH.checked_add(seconds)
}
