use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rename(db: &mut Scope<'_>, id: i64) -> DbResult<()> {
    sqlx::query("DELETE FROM customers WHERE id = $1").bind(id).execute(db).await?;
    Ok(())
}

fn main() {}
