use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    /// List customers.
    #[watertight::tool]
    async fn list(&self, #[tool(rename = "workspace")] place: String) -> ToolResult<String> {
        Ok(place)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
