use watertight::{ToolResult, mcp_tool};

/// Search tickets.
#[mcp_tool]
async fn search(filter: Option<serde_json::Value>) -> ToolResult<bool> {
    Ok(filter.is_some())
}

fn main() {}
