use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn names(db: &mut Scope<'_>, order: &str) -> DbResult<Vec<String>> {
    sqlx::query_scalar(format!("SELECT name FROM customers ORDER BY {order}"))
        .fetch_all(db)
        .await
}

fn main() {}
