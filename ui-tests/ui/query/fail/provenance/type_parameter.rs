use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT * FROM customers")]
async fn all<T>(db: &mut Scope<'_>) -> DbResult<Vec<T>>
where
    T: Send + Unpin + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>;

fn main() {}
