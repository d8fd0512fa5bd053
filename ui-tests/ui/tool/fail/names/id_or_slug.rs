use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(organization_id_or_slug: String) -> ToolResult<()> {
    drop(organization_id_or_slug);
    Ok(())
}

fn main() {}
