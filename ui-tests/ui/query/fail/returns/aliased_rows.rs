use watertight::{DbResult, Scope, tenant_query};

type Names = Vec<String>;

#[tenant_query("SELECT name FROM customers")]
async fn names(db: &mut Scope<'_>) -> DbResult<Names>;

fn main() {}
