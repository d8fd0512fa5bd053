use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(org2: String) -> ToolResult<()> {
    drop(org2);
    Ok(())
}

fn main() {}
