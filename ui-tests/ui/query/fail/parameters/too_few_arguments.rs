use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE plan = $1 AND id > $2")]
async fn names(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<String>>;

fn main() {}
