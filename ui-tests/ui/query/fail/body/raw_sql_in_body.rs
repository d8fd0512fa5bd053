use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn wipe(db: &mut Scope<'_>) -> DbResult<()> {
    sqlx::raw_sql("DELETE FROM customers").execute(db).await?;
    Ok(())
}

fn main() {}
