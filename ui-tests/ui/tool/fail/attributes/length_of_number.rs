use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(length(1..=9))] limit: u32) -> ToolResult<()> {
    let _ = limit;
    Ok(())
}

fn main() {}
