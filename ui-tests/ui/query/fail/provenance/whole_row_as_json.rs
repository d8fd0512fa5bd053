use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT to_jsonb(c)::text FROM customers c")]
async fn documents(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
