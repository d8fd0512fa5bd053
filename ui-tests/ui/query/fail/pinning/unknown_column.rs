use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT id, nmae FROM customers")]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<(i64, String)>>;

fn main() {}
