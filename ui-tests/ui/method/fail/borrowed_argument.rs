use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, plan: &str) -> ToolResult<String> {
        Ok(plan.to_owned())
    }
}

fn main() {
    let _ = Desk::tool_router();
}
