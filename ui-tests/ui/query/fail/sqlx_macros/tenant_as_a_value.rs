use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<()> {
    sqlx::query_scalar!("SELECT tenant_id FROM customers").fetch_all(db).await?;
    Ok(())
}

fn main() {}
