use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("UPDATE notes SET tenant_id = $org WHERE tenant_id = $tenant AND id = $id")]
async fn give(db: &mut WriteScope<'_>, org: uuid::Uuid, id: i64) -> DbResult<u64>;

fn main() {}
