use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name, 'org-' || left(tenant_id::text, 8) AS code FROM customers")]
async fn codes(db: &mut Scope<'_>) -> DbResult<Vec<(String, String)>>;

fn main() {}
