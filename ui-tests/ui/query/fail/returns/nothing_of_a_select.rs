use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers")]
async fn names(db: &mut Scope<'_>) -> DbResult<()>;

fn main() {}
