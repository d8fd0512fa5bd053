use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(x_tenant_id: String) -> ToolResult<()> {
    drop(x_tenant_id);
    Ok(())
}

fn main() {}
