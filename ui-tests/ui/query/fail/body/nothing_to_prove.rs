use watertight::{DbResult, Scope, tenant_query};

#[tenant_query]
async fn rows(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    drop(db);
    Ok(Vec::new())
}

fn main() {}
