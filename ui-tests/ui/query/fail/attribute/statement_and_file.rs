use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers", file = "queries/on_plan.sql")]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
