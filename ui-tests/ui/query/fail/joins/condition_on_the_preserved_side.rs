use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT n.body FROM notes n LEFT JOIN invoices i ON n.tenant_id = $tenant AND i.tenant_id = $tenant")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
