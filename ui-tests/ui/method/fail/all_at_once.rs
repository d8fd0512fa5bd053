use rmcp::tool_router;
use watertight::ToolResult;

struct Desk;

#[tool_router]
impl Desk {
    #[watertight::tool(read_only, destructive, colour = "red")]
    fn list(&mut self, tenant_id: u64, #[tool(range(9..=1))] limit: u32, text: &str) -> u64 {
        limit as u64
    }

    /// Is fine, and stays fine beside the other.
    #[watertight::tool]
    async fn hello(&self, name: String) -> ToolResult<String> {
        Ok(name)
    }

    /// Is rmcp's own.
    #[rmcp::tool]
    async fn bye(&self) -> String {
        "bye".to_owned()
    }
}

fn main() {
    let _ = Desk::tool_router();
}
