use watertight::{ToolResult, mcp_tool};

/// Says hello.
#[mcp_tool(read_olny)]
async fn hello(name: String) -> ToolResult<String> {
    Ok(name)
}

fn main() {}
