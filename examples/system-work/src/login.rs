//! Login by API key: the key is looked up before there is a tenant, and names it.

use chrono::{DateTime, Utc};
use uuid::Uuid;
use watertight::auth::{ApiKeyStore, ApiKeys, AuthError, InvalidApiKeys, NewApiKey, StoredApiKey};
use watertight::{
    DbResult, SystemPool, SystemScope, TenantId, TenantKind, WriteScope, system_query, tenant_query,
};

/// Keys begin with `desk_`.
const PREFIX: &str = "desk";

#[derive(sqlx::FromRow)]
struct Found {
    tenant_id: Uuid,
    hash: String,
    subject: String,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
}

// A tenant that leaves has no login any more, whatever keys it still has.
#[system_query(
    "SELECT k.tenant_id, k.hash, k.subject, k.scopes, k.expires_at
     FROM api_keys k JOIN organisations o ON o.id = k.tenant_id
     WHERE k.id = $id AND o.leaving_since IS NULL",
    role = "auth",
    tables(api_keys, organisations),
    reason = "login: an API key names its tenant"
)]
async fn key_of(db: &mut SystemScope<'_>, id: &str) -> DbResult<Option<Found>>;

/// Where keys are found.
#[derive(Debug)]
pub struct Keys(SystemPool);

impl ApiKeyStore for Keys {
    async fn find(&self, id: String) -> Result<Option<StoredApiKey>, AuthError> {
        // A database that is away is no wrong key.
        let away = |error| AuthError::unavailable("the keys can't be read").because(error);
        let mut db = self.0.read().await.map_err(away)?;
        let Some(found) = key_of(&mut db, &id).await.map_err(away)? else {
            return Ok(None);
        };
        let tenant = TenantId::uuid(found.tenant_id);
        let key = StoredApiKey::new(found.hash, found.subject, tenant).scopes(found.scopes);
        Ok(Some(match found.expires_at {
            Some(when) => key.expires_at(when.into()),
            None => key,
        }))
    }
}

/// The authenticator for the server; `.or(jwt)` puts tokens beside keys.
///
/// # Errors
/// If the prefix is none.
pub fn authenticator(system: SystemPool) -> Result<ApiKeys<Keys>, InvalidApiKeys> {
    ApiKeys::new(PREFIX, TenantKind::Uuid, Keys(system))
}

// Giving out a key is a tenant's own work, so it happens in its scope: the row gets its tenant.
#[tenant_query(
    "INSERT INTO api_keys (id, hash, subject, scopes) VALUES ($id, $hash, $subject, $scopes)"
)]
async fn insert(
    db: &mut WriteScope<'_>,
    id: &str,
    hash: &str,
    subject: &str,
    scopes: &[String],
) -> DbResult<()>;

/// Makes a key for one of the tenant's members. Its text is shown once and is nowhere stored.
///
/// # Errors
/// As any write; the key counts after the commit.
pub async fn issue(
    db: &mut WriteScope<'_>,
    subject: &str,
    scopes: &[String],
) -> Result<NewApiKey, Box<dyn std::error::Error + Send + Sync>> {
    let key = NewApiKey::generate(PREFIX)?;
    insert(db, key.id(), key.hash(), subject, scopes).await?;
    Ok(key)
}
