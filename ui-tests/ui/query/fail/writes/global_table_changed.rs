use watertight::{DbResult, WriteScope, tenant_query};

#[tenant_query("UPDATE prices SET cents = $cents WHERE plan = $plan")]
async fn raise(db: &mut WriteScope<'_>, plan: &str, cents: i64) -> DbResult<u64>;

fn main() {}
