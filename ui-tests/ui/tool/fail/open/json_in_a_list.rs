use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(filters: Vec<serde_json::Value>) -> ToolResult<()> {
    drop(filters);
    Ok(())
}

fn main() {}
