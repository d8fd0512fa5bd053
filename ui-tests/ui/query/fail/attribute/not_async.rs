use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers")]
fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
