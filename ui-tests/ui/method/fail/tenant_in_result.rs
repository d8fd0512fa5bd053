use rmcp::tool_router;
use watertight::{TenantId, ToolContext, ToolResult};

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, cx: ToolContext) -> ToolResult<Vec<TenantId>> {
        Ok(vec![cx.session().tenant().clone()])
    }
}

fn main() {
    let _ = Desk::tool_router();
}
