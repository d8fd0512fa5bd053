use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT n.body FROM notes n, invoices i WHERE n.tenant_id = $tenant AND i.id = n.id")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
