use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(tenant: String, #[tool(rename = "org_id")] a: u64, workspace_key: String) -> ToolResult<()> {
    drop((tenant, a, workspace_key));
    Ok(())
}

fn main() {}
