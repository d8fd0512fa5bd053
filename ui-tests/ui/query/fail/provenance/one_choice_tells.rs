use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT {columns} FROM customers", columns(true = "*", false = "id, name"))]
async fn all(db: &mut Scope<'_>, columns: bool) -> DbResult<Vec<Customer>>;

fn main() {}
