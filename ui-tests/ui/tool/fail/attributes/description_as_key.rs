use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool(description = "Counts.")]
async fn count_patients(plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
