use watertight::{ToolResult, mcp_tool};

struct Desk;

impl Desk {
    /// Says hello.
    #[mcp_tool]
    async fn hello(&self, name: String) -> ToolResult<String> {
        Ok(name)
    }
}

fn main() {
    let _ = Desk.hello(String::new());
}
