use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(file = "queries/nowhere.sql")]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
