use watertight::{ToolResult, mcp_tool};

type OrgId = uuid::Uuid;

/// Count the patients.
#[mcp_tool]
async fn count_patients(id: OrgId) -> ToolResult<()> {
    drop(id);
    Ok(())
}

fn main() {}
