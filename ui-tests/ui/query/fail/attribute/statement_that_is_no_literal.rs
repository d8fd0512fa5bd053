use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(NAMES)]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

const NAMES: &str = "SELECT name FROM customers";

fn main() {}
