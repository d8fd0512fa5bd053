use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(not_tenant)] plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
