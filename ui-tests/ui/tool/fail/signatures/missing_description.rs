use watertight::{ToolResult, mcp_tool};

#[mcp_tool]
async fn hello(name: String) -> ToolResult<String> {
    Ok(name)
}

fn main() {}
