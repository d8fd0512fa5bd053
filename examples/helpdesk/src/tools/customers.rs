//! Customers: list, look up, create or change, export.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;
use watertight::{
    DbResult, Scope, ToolContext, ToolError, ToolInput, ToolOutput, ToolResult, WriteScope,
    mcp_tool, tenant_query, unproved,
};

/// Someone whom the organisation serves.
#[derive(Debug, Serialize, JsonSchema, ToolOutput, FromRow)]
pub(super) struct Customer {
    id: Uuid,
    /// What the customer finds on invoices.
    reference: String,
    name: String,
    email: String,
    plan: String,
    created_at: DateTime<Utc>,
}

/// What a customer pays for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, ToolInput)]
#[serde(rename_all = "lowercase")]
pub(super) enum Plan {
    Free,
    Pro,
    Enterprise,
}

impl Plan {
    fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }
}

/// List customers by name, all of them or those on one plan.
#[mcp_tool(title = "List customers", requires = "customers:read", read_only)]
pub(super) async fn list_customers(
    cx: ToolContext,
    /// Only customers on this plan.
    plan: Option<Plan>,
    /// How many at most.
    #[tool(range(1..=200), default = 20)]
    limit: u32,
    /// How many to skip, to read page after page.
    #[tool(range(0..=100_000), default = 0)]
    offset: u32,
) -> ToolResult<Vec<Customer>> {
    let mut db = cx.read().await?;
    let plan = plan.map(Plan::as_str);
    Ok(customers_by_name(&mut db, plan, limit.into(), offset.into()).await?)
}

#[tenant_query(
    "SELECT id, reference, name, email, plan, created_at
     FROM customers
     WHERE tenant_id = $tenant AND ($plan::text IS NULL OR plan = $plan)
     ORDER BY name, reference
     LIMIT $limit OFFSET $offset"
)]
async fn customers_by_name(
    db: &mut Scope<'_>,
    plan: Option<&str>,
    limit: i64,
    offset: i64,
) -> DbResult<Vec<Customer>>;

/// Look up one customer.
#[mcp_tool(requires = "customers:read", read_only)]
pub(super) async fn get_customer(
    cx: ToolContext,
    /// The customer's id, as other tools return it.
    customer_id: Uuid,
) -> ToolResult<Customer> {
    let mut db = cx.read().await?;
    customer_by_id(&mut db, customer_id)
        .await?
        .ok_or_else(ToolError::not_found)
}

// Without a filter by tenant: row-level security carries the proof, and the planner still uses the
// index that starts with the tenant, because the policy is a condition like any other.
#[tenant_query(
    "SELECT id, reference, name, email, plan, created_at FROM customers WHERE id = $customer_id"
)]
async fn customer_by_id(db: &mut Scope<'_>, customer_id: Uuid) -> DbResult<Option<Customer>>;

/// Create a customer, or change the name and plan of the one with this address.
#[mcp_tool(requires = "customers:write", idempotent)]
pub(super) async fn upsert_customer(
    cx: ToolContext,
    /// The address that identifies the customer.
    #[tool(length(3..=200))]
    email: String,
    #[tool(length(1..=200))] name: String,
    plan: Plan,
) -> ToolResult<Customer> {
    let mut db = cx.write().await?;
    let reference = format!("NEW-{}", Uuid::new_v4().simple());
    let customer = save_customer(&mut db, &reference, &email, &name, plan.as_str()).await?;
    db.commit().await?;
    Ok(customer)
}

// The unique key starts with the tenant, so a conflict can only be with a row of the same one.
#[tenant_query(
    "INSERT INTO customers (tenant_id, reference, email, name, plan)
     VALUES ($tenant, $reference, $email, $name, $plan)
     ON CONFLICT (tenant_id, email) DO UPDATE SET name = excluded.name, plan = excluded.plan
     RETURNING id, reference, name, email, plan, created_at"
)]
async fn save_customer(
    db: &mut WriteScope<'_>,
    reference: &str,
    email: &str,
    name: &str,
    plan: &str,
) -> DbResult<Customer>;

/// Export every customer. Deliberately without any filter, to show what happens then.
#[mcp_tool(requires = "customers:read", read_only)]
pub(super) async fn export_customers(cx: ToolContext) -> ToolResult<Vec<Customer>> {
    let mut db = cx.read().await?;
    let every = unproved!(
        "SELECT id, reference, name, email, plan, created_at FROM customers",
        reason = "shows that the database holds where a statement forgets its filter"
    );
    Ok(every.rows_as::<Customer>().fetch_all(&mut db).await?)
}
