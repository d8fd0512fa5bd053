use watertight::{DbResult, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE plan = $plan")]
async fn names(plan: &str) -> DbResult<Vec<String>>;

fn main() {}
