use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT count(*) FROM customers")]
async fn count(db: &mut Scope<'_>) -> DbResult<u64>;

fn main() {}
