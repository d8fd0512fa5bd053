use watertight::{DbResult, Scope, tenant_query};

#[tenant_query("SELECT name FROM customers")]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM customers").fetch_all(db).await
}

fn main() {}
