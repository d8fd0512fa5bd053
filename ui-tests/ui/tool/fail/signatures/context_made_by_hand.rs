use watertight::{ToolContext, ToolResult, mcp_tool};

/// Says hello.
#[mcp_tool]
async fn hello(cx: ToolContext) -> ToolResult<()> {
    keep(cx.clone());
    Ok(())
}

fn keep(_: ToolContext) {}

fn main() {}
