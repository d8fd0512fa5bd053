use watertight::{ToolContext, ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(cx: &ToolContext) -> ToolResult<()> {
    let _ = cx;
    Ok(())
}

fn main() {}
