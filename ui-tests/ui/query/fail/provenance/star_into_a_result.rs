use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT * FROM customers WHERE plan = $plan")]
async fn on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>>;

fn main() {}
