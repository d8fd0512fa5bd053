use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list<T: Send>(&self, plan: String) -> ToolResult<String> {
        Ok(plan)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
