use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool(name = "count patients")]
async fn count_patients(plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
