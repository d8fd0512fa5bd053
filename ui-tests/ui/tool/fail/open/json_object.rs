use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(filter: serde_json::Map<String, serde_json::Value>) -> ToolResult<()> {
    drop(filter);
    Ok(())
}

fn main() {}
