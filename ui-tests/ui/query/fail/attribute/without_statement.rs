use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

fn main() {}
