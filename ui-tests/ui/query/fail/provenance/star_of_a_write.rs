use watertight::{DbResult, ToolOutput, WriteScope, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("UPDATE customers SET plan = 'pro' WHERE id = $id RETURNING *")]
async fn upgrade(db: &mut WriteScope<'_>, id: i64) -> DbResult<Customer>;

fn main() {}
