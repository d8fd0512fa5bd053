use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT * FROM customers")]
fn all(db: &mut Scope<'_>) -> impl futures_util::Stream<Item = DbResult<Customer>>;

fn main() {}
