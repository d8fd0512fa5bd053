use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(praxis_id: u64) -> ToolResult<()> {
    let _ = praxis_id;
    Ok(())
}

fn main() {}
