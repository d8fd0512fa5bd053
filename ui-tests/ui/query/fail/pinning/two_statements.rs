use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT 1; DELETE FROM customers")]
async fn both(db: &mut Scope<'_>) -> DbResult<i32>;

fn main() {}
