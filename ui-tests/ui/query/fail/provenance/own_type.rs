use watertight::{DbResult, Scope, ToolOutput, tenant_query};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query]
async fn unrelated(db: &mut Scope<'_>) -> DbResult<Vec<String>> {
    sqlx::query_scalar::<_, String>("SELECT name FROM customers").fetch_all(db).await
}

impl Customer {
    #[tenant_query("SELECT * FROM customers WHERE id = $id")]
    async fn by_id(db: &mut Scope<'_>, id: i64) -> DbResult<Option<Self>>;
}

fn main() {}
