use watertight::{DbResult, Scope, ToolOutput, tenant_query};

// A field that names the tenant, a statement that brings it, and one that is refused besides.
#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    tenant_id: uuid::Uuid,
}

#[tenant_query("SELECT * FROM customers WHERE plan = $plan")]
async fn on_plan(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<Customer>>;

#[tenant_query("SELECT * FROM notes", returns_tenants = "why")]
async fn notes(db: &mut Scope<'_>) -> DbResult<Vec<Customer>>;

fn main() {
    let _ = (on_plan, notes);
}
