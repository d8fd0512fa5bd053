use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = '5b1d2f60-93c4-4a77-8e21-c0ffee15bad5'")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
