use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(range(1..=))] limit: u32) -> ToolResult<()> {
    let _ = limit;
    Ok(())
}

fn main() {}
