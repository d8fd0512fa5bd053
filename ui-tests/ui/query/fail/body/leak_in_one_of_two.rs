use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    let mut rows = sqlx::query_scalar("SELECT name FROM customers").fetch_all(&mut *db).await?;
    rows.extend(sqlx::query_scalar("SELECT body FROM notes").fetch_all(db).await?);
    Ok(rows)
}

fn main() {}
