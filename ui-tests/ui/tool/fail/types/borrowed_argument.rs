use watertight::{ToolResult, mcp_tool};

/// Says hello.
#[mcp_tool]
async fn hello(name: &str) -> ToolResult<usize> {
    Ok(name.len())
}

fn main() {}
