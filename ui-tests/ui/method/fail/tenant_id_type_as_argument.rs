use rmcp::tool_router;
use watertight::{TenantId, ToolResult};

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, of: Vec<TenantId>) -> ToolResult<String> {
        Ok(format!("{of:?}"))
    }
}

fn main() {
    let _ = Desk::tool_router();
}
