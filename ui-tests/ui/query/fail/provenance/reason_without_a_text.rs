use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT tenant_id FROM customers LIMIT 1", returns_tenant)]
async fn whose(db: &mut Scope<'_>) -> DbResult<uuid::Uuid>;

fn main() {}
