use watertight::{ToolContext, ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(rename = "context")] cx: ToolContext) -> ToolResult<()> {
    drop(cx);
    Ok(())
}

fn main() {}
