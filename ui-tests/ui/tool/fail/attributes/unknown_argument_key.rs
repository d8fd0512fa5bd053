use watertight::{ToolResult, mcp_tool};

/// Says hello.
#[mcp_tool]
async fn hello(#[tool(max_length = 9)] name: String) -> ToolResult<String> {
    Ok(name)
}

fn main() {}
