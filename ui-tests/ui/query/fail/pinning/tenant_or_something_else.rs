use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = $tenant OR customer_id = $customer")]
async fn bodies(db: &mut Scope<'_>, customer: i64) -> DbResult<Vec<String>>;

fn main() {}
