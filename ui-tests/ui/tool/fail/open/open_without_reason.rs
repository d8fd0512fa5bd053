use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(open)] plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
