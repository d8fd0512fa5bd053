use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE id = ?")]
async fn customer(db: &mut Scope<'_>, id: i64) -> DbResult<String>;

fn main() {}
