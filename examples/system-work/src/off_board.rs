//! A tenant leaves: first nobody can log in, then its rows go, then its name.
//!
//! Its rows are deleted in the tenant's own scope, so that row-level security keeps a mistake there from
//! touching anybody else's; the registry's row goes last, and only if no row refers to it any more. Each
//! step bears repetition: what was interrupted is called again. The audit trail stays until
//! `cargo watertight audit export` and `erase` have dealt with it.

use uuid::Uuid;
use watertight::background::Maintenance;
use watertight::{
    BackgroundContext, DbResult, SystemPool, SystemScope, TenantId, TenantPool, ToolError,
    ToolResult, WriteScope, system_query, tenant_query,
};

#[system_query(
    "UPDATE organisations SET leaving_since = coalesce(leaving_since, now()) WHERE id = $organisation",
    role = "auth",
    tables(organisations),
    reason = "off-boarding: from now on nobody logs in"
)]
async fn close(db: &mut SystemScope<'_>, organisation: Uuid) -> DbResult<u64>;

#[system_query(
    "DELETE FROM organisations WHERE id = $organisation AND leaving_since IS NOT NULL",
    role = "auth",
    tables(organisations),
    reason = "off-boarding: the name goes last"
)]
async fn forget(db: &mut SystemScope<'_>, organisation: Uuid) -> DbResult<u64>;

#[tenant_query("DELETE FROM trials")]
async fn delete_trials(db: &mut WriteScope<'_>) -> DbResult<u64>;

#[tenant_query("DELETE FROM api_keys")]
async fn delete_keys(db: &mut WriteScope<'_>) -> DbResult<u64>;

#[tenant_query("DELETE FROM email_domains")]
async fn delete_domains(db: &mut WriteScope<'_>) -> DbResult<u64>;

#[tenant_query("DELETE FROM members")]
async fn delete_members(db: &mut WriteScope<'_>) -> DbResult<u64>;

async fn delete_all(cx: BackgroundContext) -> ToolResult<()> {
    let mut db = cx.write().await?;
    delete_trials(&mut db).await?;
    delete_keys(&mut db).await?;
    delete_domains(&mut db).await?;
    delete_members(&mut db).await?;
    Ok(db.commit().await?)
}

/// Removes a tenant.
///
/// # Errors
/// "Not found" if there is none of this id, "conflict" if a table is left that this does not know.
pub async fn off_board(
    system: &SystemPool,
    pool: &TenantPool,
    organisation: Uuid,
) -> ToolResult<()> {
    let mut db = system.write().await?;
    if close(&mut db, organisation).await? == 0 {
        return Err(ToolError::not_found());
    }
    db.commit().await?;
    // Revoke its tokens at the identity provider here: they are good until they expire.

    let report = Maintenance::new("off-board", system, pool.clone())
        .for_each_tenant([TenantId::uuid(organisation)], delete_all)
        .await;
    if let Some(failed) = report.into_failed().into_iter().next() {
        return Err(failed.error);
    }

    let mut db = system.write().await?;
    forget(&mut db, organisation).await?;
    Ok(db.commit().await?)
}
