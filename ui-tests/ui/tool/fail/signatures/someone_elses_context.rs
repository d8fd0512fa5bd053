use watertight::{ToolResult, mcp_tool};

struct ToolContext;

/// Says hello.
#[mcp_tool]
async fn hello(cx: ToolContext) -> ToolResult<()> {
    let ToolContext = cx;
    Ok(())
}

fn main() {}
