//! A new tenant: its row in the registry, its domain and its first member, in one transaction.

use uuid::Uuid;
use watertight::{DbResult, SystemPool, SystemScope, system_query};

#[system_query(
    "INSERT INTO organisations (name) VALUES ($name) RETURNING id",
    role = "auth",
    tables(organisations),
    reason = "provisioning: a new tenant"
)]
async fn insert_organisation(db: &mut SystemScope<'_>, name: &str) -> DbResult<Uuid>;

#[system_query(
    "INSERT INTO email_domains (domain, tenant_id, verified_at) VALUES (lower($domain), $of, now())",
    role = "auth",
    tables(email_domains),
    reason = "provisioning: the domain that the DNS record showed"
)]
async fn insert_domain(db: &mut SystemScope<'_>, domain: &str, of: Uuid) -> DbResult<()>;

#[system_query(
    "INSERT INTO members (tenant_id, subject, is_admin) VALUES ($of, $subject, true)",
    role = "auth",
    tables(members),
    reason = "provisioning: the first member, who admits the others"
)]
async fn insert_admin(db: &mut SystemScope<'_>, of: Uuid, subject: &str) -> DbResult<()>;

/// Makes a tenant, all of it or nothing; the record of it commits with it.
///
/// # Errors
/// [`Conflict`](watertight::DbErrorKind::Conflict) if the name or the domain is somebody's already.
pub async fn provision(
    system: &SystemPool,
    name: &str,
    domain: &str,
    first_member: &str,
) -> DbResult<Uuid> {
    let mut db = system.write().await?;
    let organisation = insert_organisation(&mut db, name).await?;
    insert_domain(&mut db, domain, organisation).await?;
    insert_admin(&mut db, organisation, first_member).await?;
    db.commit().await?;
    Ok(organisation)
}
