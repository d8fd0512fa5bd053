use watertight::{DbResult, Scope, ToolOutput};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

async fn all(db: &mut Scope<'_>) -> DbResult<Vec<Customer>> {
    watertight::unproved!("SELECT * FROM customers", reason = "to see").rows_as().fetch_all(db).await
}

fn main() {}
