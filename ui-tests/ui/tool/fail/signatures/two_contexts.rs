use watertight::{ToolContext, ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(cx: ToolContext, other: ToolContext) -> ToolResult<()> {
    drop((cx, other));
    Ok(())
}

fn main() {}
