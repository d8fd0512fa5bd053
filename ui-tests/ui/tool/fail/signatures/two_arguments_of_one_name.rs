use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(plan: String, #[tool(rename = "plan")] other: String) -> ToolResult<()> {
    drop((plan, other));
    Ok(())
}

fn main() {}
