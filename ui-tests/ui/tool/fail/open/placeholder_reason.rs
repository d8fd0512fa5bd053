use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(open = "x")] filter: serde_json::Value) -> ToolResult<()> {
    drop(filter);
    Ok(())
}

fn main() {}
