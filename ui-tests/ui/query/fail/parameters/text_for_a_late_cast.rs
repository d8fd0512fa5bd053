use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT id FROM customers WHERE tenant_id = $tenant AND CASE WHEN plan = $plan THEN now() > $since::timestamptz ELSE false END")]
async fn since(db: &mut Scope<'_>, plan: &str, since: Option<&str>) -> DbResult<Vec<i64>>;

fn main() {}
