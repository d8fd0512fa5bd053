use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(workspace_gid: String) -> ToolResult<()> {
    drop(workspace_gid);
    Ok(())
}

fn main() {}
