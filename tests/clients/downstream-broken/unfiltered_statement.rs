// expect: invoices
use watertight::{DbResult, JwtAuthenticator, Scope, Server, TenantPool, ToolContext, ToolOutput, ToolResult, mcp_tool, tenant_query, tools};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput, sqlx::FromRow)]
struct Customer {
    id: i64,
    name: String,
    plan: String,
}

#[tenant_query("SELECT id, name, plan FROM invoices WHERE plan = $plan ORDER BY name LIMIT $limit")]
async fn customers_on_plan(db: &mut Scope<'_>, plan: &str, limit: i64) -> DbResult<Vec<Customer>>;

/// List customers on a plan.
#[mcp_tool(requires = "customers:read", read_only)]
async fn list_customers(
    cx: ToolContext,
    /// Plan name, such as "pro".
    plan: String,
    #[tool(range(1..=100), default = 20)] limit: u32,
) -> ToolResult<Vec<Customer>> {
    let mut db = cx.read().await?;
    Ok(customers_on_plan(&mut db, &plan, limit.into()).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = TenantPool::connect(&std::env::var("DATABASE_URL")?, watertight::catalog!()).await?;
    let auth = JwtAuthenticator::builder()
        .issuer("https://id.example.com")
        .audience("https://mcp.example.com/mcp")
        .jwks_url("https://id.example.com/jwks.json")
        .tenant_claim("org_id")
        .build()?;
    Server::builder()
        .name("crm")
        .tools(tools![list_customers])
        .pool(pool)
        .authenticator(auth)
        .resource("https://mcp.example.com/mcp")
        .build()?
        .serve("127.0.0.1:8080")
        .await?;
    Ok(())
}
