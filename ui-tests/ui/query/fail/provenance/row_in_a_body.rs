use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query]
async fn all(db: &mut Scope<'_>) -> DbResult<Vec<Customer>> {
    sqlx::query_as::<_, Customer>("SELECT * FROM customers").fetch_all(db).await
}

fn main() {}
