use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(tenantid: String) -> ToolResult<()> {
    drop(tenantid);
    Ok(())
}

fn main() {}
