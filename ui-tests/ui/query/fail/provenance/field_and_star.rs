use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    tenant_id: uuid::Uuid,
}

#[tenant_query("SELECT * FROM customers")]
async fn all(db: &mut Scope<'_>) -> DbResult<Vec<Customer>>;

fn main() {}
