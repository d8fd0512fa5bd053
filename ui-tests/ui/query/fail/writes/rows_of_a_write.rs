use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("DELETE FROM customers WHERE plan = $plan")]
async fn remove(db: &mut WriteScope<'_>, plan: &str) -> DbResult<Vec<i64>>;

fn main() {}
