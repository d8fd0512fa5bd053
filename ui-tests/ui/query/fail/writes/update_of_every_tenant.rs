use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("UPDATE notes SET body = '' WHERE customer_id = $customer")]
async fn clear(db: &mut WriteScope<'_>, customer: i64) -> DbResult<u64>;

fn main() {}
