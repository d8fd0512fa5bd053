use watertight::{DbResult, Scope, tenant_query};

#[tenant_query(file = "queries/leak.sql")]
async fn bodies(db: &mut Scope<'_>, customer: i64) -> DbResult<Vec<String>>;

fn main() {}
