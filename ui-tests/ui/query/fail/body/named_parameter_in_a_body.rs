use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM customers WHERE plan = $plan").bind("pro").fetch_all(db).await
}

fn main() {}
