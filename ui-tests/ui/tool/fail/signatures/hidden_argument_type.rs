use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(plan: impl Into<String>) -> ToolResult<()> {
    drop(plan.into());
    Ok(())
}

fn main() {}
