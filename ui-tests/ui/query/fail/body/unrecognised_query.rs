use sqlx::query_scalar as ask;
use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn names(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    let plans: Vec<String> = sqlx::query_scalar("SELECT plan FROM customers").fetch_all(db).await?;
    drop(plans);
    Ok(ask("SELECT body FROM notes").fetch_all(db).await?)
}

fn main() {}
