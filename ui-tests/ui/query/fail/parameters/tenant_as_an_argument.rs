use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT body FROM notes WHERE tenant_id = $tenant")]
async fn bodies(db: &mut Scope<'_>, tenant: uuid::Uuid) -> DbResult<Vec<String>>;

fn main() {}
