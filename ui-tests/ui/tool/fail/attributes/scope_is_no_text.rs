use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool(requires = [1])]
async fn count_patients(plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
