use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<()> {
    sqlx::query!("SELECT name FROM customers WHERE plan = $plan", "pro").fetch_all(db).await?;
    Ok(())
}

fn main() {}
