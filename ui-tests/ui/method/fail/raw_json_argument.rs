use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, filter: serde_json::Value) -> ToolResult<String> {
        Ok(filter.to_string())
    }
}

fn main() {
    let _ = Desk::tool_router();
}
