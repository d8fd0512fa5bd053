//! From verified claims to a session.
//!
//! Invariant: each claim has exactly the type that was configured; there is no default tenant, no
//! conversion between types and no fallback to another claim.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::space::TenantSpace;
use crate::auth::{AuthError, AuthRequest, TenantChoice, VerifiedToken};
use crate::id::{TenantId, TenantKind};
use crate::session::Session;

/// Where tenant and scopes are found.
pub(super) struct ClaimNames {
    /// The tenant; the principal's own, where `tenants` lists those that it may work for.
    pub(super) tenant: Option<String>,
    /// The claim that lists tenants, and how a request chooses one of them.
    pub(super) tenants: Option<(String, TenantChoice)>,
    pub(super) tenant_kind: TenantKind,
    /// Which tenants this issuer may name, if it is one of several.
    pub(super) space: Option<TenantSpace>,
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
        leeway: Duration,
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
        // PostgreSQL holds no NUL, and a trail in which two subjects look alike tells nothing.
        if subject.contains(char::is_control) {
            return Err(AuthError::rejected(
                "the token's subject has control characters",
            ));
        }
        let (tenant, home) = self.tenants(issuer, claims, request)?;
        let scopes = self.scopes(claims)?;
        // A token that is accepted within the leeway is good until the leeway ends.
        let expires_at = expiry(claims)
            .and_then(|expiry| expiry.checked_add(leeway))
            .ok_or_else(|| AuthError::rejected("the token's expiry is out of range"))?;
        let mut verified = request
            .verified(issuer, subject, tenant)
            .scopes(scopes)
            .expires_at(expires_at);
        if let Some(home) = home {
            verified = verified.home_tenant(home);
        }
        let client = claims.get("client_id").or_else(|| claims.get("azp"));
        if let Some(client) = client.and_then(Value::as_str) {
            verified = verified.client(client);
        }
        Ok(verified.into_session())
    }

    /// The tenant that the request is for, and the principal's own if that is another question.
    fn tenants(
        &self,
        issuer: &str,
        claims: &Map<String, Value>,
        request: &AuthRequest<'_>,
    ) -> Result<(TenantId, Option<TenantId>), AuthError> {
        let own = match &self.tenant {
            Some(claim) => {
                let value = lookup(claims, claim)
                    .ok_or_else(|| AuthError::rejected("the token has no tenant claim"))?;
                Some(self.tenant(issuer, value)?)
            }
            None => None,
        };
        match (&self.tenants, own) {
            (Some((claim, choice)), home) => {
                let granted = lookup(claims, claim)
                    .and_then(Value::as_array)
                    .ok_or_else(|| AuthError::rejected("the token has no list of tenants"))?;
                // One that can't be read makes the list another than the issuer meant.
                let granted: Vec<TenantId> = granted
                    .iter()
                    .map(|value| self.tenant(issuer, value))
                    .collect::<Result<_, _>>()?;
                let chosen = choice.among(&granted, request, self.tenant_kind)?;
                Ok((chosen, home))
            }
            (None, Some(tenant)) => Ok((tenant, None)),
            // `build` demands one of the two.
            (None, None) => Err(AuthError::rejected("no claim names a tenant")),
        }
    }

    fn tenant(&self, issuer: &str, value: &Value) -> Result<TenantId, AuthError> {
        if let Some(space) = &self.space {
            let tenant = value.as_str().and_then(|claim| space.tenant(issuer, claim));
            return tenant.ok_or_else(|| {
                AuthError::rejected("the tenant claim names no tenant of the issuer's space")
            });
        }
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

/// What the token says of itself beside its principal.
pub(super) fn verified<'t>(
    session: &'t Session,
    claims: &'t Map<String, Value>,
) -> VerifiedToken<'t> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    VerifiedToken {
        issuer: session.issuer(),
        subject: session.subject(),
        id: text("jti").filter(|id| !id.is_empty()),
        session: text("sid"),
        client: session.client(),
        issued_at: time(claims, "iat"),
    }
}

/// A claim by its name, or by a JSON pointer.
fn lookup<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    match name.strip_prefix('/') {
        None => claims.get(name),
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

pub(super) fn expiry(claims: &Map<String, Value>) -> Option<SystemTime> {
    time(claims, "exp")
}

fn time(claims: &Map<String, Value>, name: &str) -> Option<SystemTime> {
    let value = claims.get(name)?;
    let seconds = match value.as_u64() {
        Some(whole) => Duration::from_secs(whole),
        None => Duration::try_from_secs_f64(value.as_f64()?).ok()?,
    };
    UNIX_EPOCH.checked_add(seconds)
}
