use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    #[watertight::tool]
    async fn list(&self, plan: String) -> ToolResult<String> {
        Ok(plan)
    }
}

fn main() {
    let _ = Desk::tool_router();
}
