use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, plan: String, tenant_id: u64) -> ToolResult<String> {
        Ok(format!("{plan} {tenant_id}"))
    }
}

fn main() {
    let _ = Desk::tool_router();
}
