use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(clinic_group: String) -> ToolResult<()> {
    drop(clinic_group);
    Ok(())
}

fn main() {}
