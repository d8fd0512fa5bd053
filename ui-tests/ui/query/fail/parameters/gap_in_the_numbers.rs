use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers WHERE plan = $1 AND id > $3")]
async fn names(db: &mut Scope<'_>, plan: &str, after: i64) -> DbResult<Vec<String>>;

fn main() {}
