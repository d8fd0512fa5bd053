use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = $tenant_id")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
