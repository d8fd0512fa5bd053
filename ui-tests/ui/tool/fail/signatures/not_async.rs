use watertight::{ToolResult, mcp_tool};

/// Says hello.
#[mcp_tool]
fn hello(name: String) -> ToolResult<String> {
    Ok(name)
}

fn main() {
    let _ = watertight::tools![hello];
}
