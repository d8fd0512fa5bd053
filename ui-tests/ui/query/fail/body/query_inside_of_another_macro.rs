use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    let rows = async_stream::stream! { yield sqlx::query_scalar("SELECT body FROM notes") };
    drop((db, rows));
    Ok(Vec::new())
}

fn main() {}
