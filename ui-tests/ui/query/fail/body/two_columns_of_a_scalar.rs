use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn customers(db: &mut Scope<'_>) -> DbResult<Vec<i64>> {
    sqlx::query_scalar("SELECT id, plan FROM customers").fetch_all(db).await
}

fn main() {}
