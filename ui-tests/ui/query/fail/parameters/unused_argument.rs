use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE plan = $plan")]
async fn names(db: &mut Scope<'_>, plan: &str, limit: i64) -> DbResult<Vec<String>>;

fn main() {}
