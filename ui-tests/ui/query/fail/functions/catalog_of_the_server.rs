use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT relname::text FROM pg_class")]
async fn tables(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
