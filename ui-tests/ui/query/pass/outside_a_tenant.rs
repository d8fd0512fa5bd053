//! `unproved!`, `#[system_query]` and `catalog!()`.

use uuid::Uuid;
use watertight::{DbResult, Scope, SystemScope, system_query, unproved};

#[system_query(
    "SELECT tenant_id FROM api_keys WHERE hash = $hash",
    role = "auth",
    tables(api_keys),
    reason = "a key names its tenant"
)]
pub async fn tenant_of_key(db: &mut SystemScope<'_>, hash: &[u8]) -> DbResult<Option<Uuid>>;

pub async fn everything(db: &mut Scope<'_>) -> DbResult<Vec<(i64, String)>> {
    unproved!("SELECT id, name FROM customers", reason = "shows what the policies do")
        .rows_as()
        .fetch_all(db)
        .await
}

pub fn main() {
    const CATALOG: watertight::Catalog = watertight::catalog!();
    let customers = CATALOG.relations().iter().find(|relation| relation.name == "customers");
    let customers = customers.expect("the migrations create it");
    assert!(customers.rls_enabled && customers.rls_forced);
    assert_eq!(customers.tenant_column, Some("tenant_id"));
    assert_eq!(customers.policies.len(), 1);
    let [migration, _] = CATALOG.migrations() else { panic!("two migrations") };
    assert_eq!((migration.version, migration.checksum.len()), ("1", 96));
}
