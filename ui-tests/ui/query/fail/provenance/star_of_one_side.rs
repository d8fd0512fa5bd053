use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT c.*, p.cents FROM customers c JOIN prices p USING (plan)")]
async fn priced(db: &mut Scope<'_>) -> DbResult<Vec<Customer>>;

fn main() {}
