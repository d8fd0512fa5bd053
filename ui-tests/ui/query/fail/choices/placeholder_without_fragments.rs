use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers ORDER BY {sort}")]
async fn names(db: &mut Scope<'_>, sort: &str) -> DbResult<Vec<String>>;

fn main() {}
