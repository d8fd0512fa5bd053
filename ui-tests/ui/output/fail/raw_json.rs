use watertight::{ToolResult, mcp_tool};

/// Returns whatever there is.
#[mcp_tool]
async fn details() -> ToolResult<serde_json::Value> {
    Ok(serde_json::Value::Null)
}

fn main() {}
