use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(cloud_id: String) -> ToolResult<()> {
    drop(cloud_id);
    Ok(())
}

fn main() {}
