use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers UNION ALL SELECT body FROM notes")]
async fn texts(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
