use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT id, name, plan FROM customers")]
async fn customers(db: &mut Scope<'_>) -> DbResult<Vec<(i64, String)>>;

fn main() {}
