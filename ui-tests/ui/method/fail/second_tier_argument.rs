use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, account: String) -> ToolResult<String> {
        Ok(account)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
