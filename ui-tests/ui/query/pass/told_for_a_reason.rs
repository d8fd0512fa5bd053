//! Rows that tell the tenant: into types that stay in the server, and, for a reason, into others.

use sqlx::Row as _;
use uuid::Uuid;
use watertight::{DbResult, Scope, ToolOutput, tenant_query, unproved};

/// It has no `ToolOutput`: no tool can return it.
#[derive(sqlx::FromRow)]
struct Inner {
    id: i64,
    tenant_id: Uuid,
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
}

#[tenant_query("SELECT * FROM customers")]
async fn inner(db: &mut Scope<'_>) -> DbResult<Vec<Inner>>;

#[tenant_query("SELECT tenant_id FROM customers LIMIT 1", returns_tenant = "the profile shows it")]
async fn whose(db: &mut Scope<'_>) -> DbResult<Option<Uuid>>;

#[tenant_query("SELECT * FROM customers", returns_tenant = "the profile shows it")]
async fn outer(db: &mut Scope<'_>) -> DbResult<Vec<Customer>>;

impl Inner {
    #[tenant_query("SELECT * FROM customers WHERE id = $id")]
    async fn by_id(db: &mut Scope<'_>, id: i64) -> DbResult<Option<Self>>;
}

impl Customer {
    #[tenant_query("SELECT id, name FROM customers WHERE id = $id")]
    async fn by_id(db: &mut Scope<'_>, id: i64) -> DbResult<Option<Self>>;
}

#[tenant_query]
async fn in_a_body(db: &mut Scope<'_>) -> DbResult<usize> {
    let inner = sqlx::query_as::<_, Inner>("SELECT * FROM customers").fetch_all(&mut *db).await?;
    let rows = sqlx::query("SELECT * FROM customers").fetch_all(db).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    Ok(inner.len() + names.len())
}

#[tenant_query(returns_tenant = "the profile shows it")]
async fn in_a_body_for_a_reason(db: &mut Scope<'_>) -> DbResult<Vec<Uuid>> {
    sqlx::query_scalar("SELECT tenant_id FROM customers").fetch_all(db).await
}

async fn without_a_proof(db: &mut Scope<'_>) -> DbResult<Vec<Uuid>> {
    unproved!(
        "SELECT tenant_id FROM customers",
        reason = "shows the way out",
        returns_tenant = "the profile shows it",
    )
    .scalars()
    .fetch_all(db)
    .await
}

pub fn main() {}
