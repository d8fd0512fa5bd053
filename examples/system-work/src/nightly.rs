//! A job over all tenants: the list is system work, what is done for each is the tenant's own.

use uuid::Uuid;
use watertight::background::{Maintenance, MaintenanceReport};
use watertight::{
    BackgroundContext, DbResult, SystemPool, SystemScope, TenantId, TenantPool, ToolResult,
    WriteScope, system_query, tenant_query,
};

#[system_query(
    "SELECT id FROM organisations WHERE leaving_since IS NULL ORDER BY id",
    role = "auth",
    tables(organisations),
    reason = "jobs: for whom they run"
)]
async fn organisations(db: &mut SystemScope<'_>) -> DbResult<Vec<Uuid>>;

#[tenant_query("UPDATE trials SET expired = true WHERE ends_at < now() AND NOT expired")]
async fn expire(db: &mut WriteScope<'_>) -> DbResult<u64>;

async fn expire_trials(cx: BackgroundContext) -> ToolResult<()> {
    let mut db = cx.write().await?;
    expire(&mut db).await?;
    Ok(db.commit().await?)
}

/// Ends the trials whose time is over. Call it from a scheduler; running it twice changes nothing.
///
/// # Errors
/// If the list of tenants can't be read. What fails for a tenant is in the report.
pub async fn nightly(system: &SystemPool, pool: &TenantPool) -> DbResult<MaintenanceReport> {
    let tenants = organisations(&mut system.read().await?).await?;
    Ok(Maintenance::new("expire-trials", system, pool.clone())
        .at_a_time(8)
        .for_each_tenant(tenants.into_iter().map(TenantId::uuid), expire_trials)
        .await)
}
