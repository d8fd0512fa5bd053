use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT count(*) FROM notes GROUP BY tenant_id HAVING tenant_id = $tenant")]
async fn count(db: &mut Scope<'_>) -> DbResult<i64>;

fn main() {}
