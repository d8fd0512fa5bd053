//! Who is calling: a signed token of the identity provider, or an API key of the desk's own.
//!
//! Invariant: both end in the same place, a session that names the organisation which the token or
//! the key was issued for. Nothing else of the request is read.

use sqlx::FromRow;
use uuid::Uuid;
use watertight::auth::{AuthError, AuthRequest, Authenticator, JwtAuthenticator};
use watertight::{DbResult, Session, SystemPool, SystemScope, TenantId, TenantKind, system_query};

/// Accepts tokens and API keys.
#[derive(Debug)]
pub struct DeskAuthenticator {
    /// Verifies tokens.
    pub tokens: JwtAuthenticator,
    /// Where API keys are looked up, with a role that tools never have.
    pub keys: SystemPool,
}

impl Authenticator for DeskAuthenticator {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        match request.bearer() {
            Some(key) if key.starts_with("hd_") => self.by_key(&request, key).await,
            _ => self.tokens.authenticate(request).await,
        }
    }

    fn issuers(&self) -> Vec<String> {
        self.tokens.issuers()
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        Some(TenantKind::Uuid)
    }
}

impl DeskAuthenticator {
    async fn by_key(&self, request: &AuthRequest<'_>, key: &str) -> Result<Session, AuthError> {
        let unavailable =
            |error| AuthError::unavailable("API keys can't be looked up").because(error);
        let mut db = self.keys.read().await.map_err(unavailable)?;
        let holder = key_holder(&mut db, key).await.map_err(unavailable)?;
        let holder = holder.ok_or_else(|| AuthError::rejected("unknown or revoked API key"))?;
        let tenant = TenantId::uuid(holder.tenant_id);
        let verified = request.verified("helpdesk:api-key", holder.subject, tenant);
        Ok(verified.scopes(holder.scopes).into_session())
    }
}

#[derive(FromRow)]
struct KeyHolder {
    tenant_id: Uuid,
    subject: String,
    scopes: Vec<String>,
}

// There is no tenant yet, so there is nothing to filter by; the macro confines it to these tables.
#[system_query(
    "SELECT k.tenant_id, k.subject, k.scopes
     FROM api_keys k JOIN memberships m ON m.tenant_id = k.tenant_id AND m.subject = k.subject
     WHERE k.key_hash = encode(sha256(convert_to($key, 'UTF8')), 'hex') AND k.revoked_at IS NULL",
    role = "auth",
    tables(api_keys, memberships),
    reason = "finds the organisation that an API key belongs to"
)]
async fn key_holder(db: &mut SystemScope<'_>, key: &str) -> DbResult<Option<KeyHolder>>;
