use watertight::{ToolResult, mcp_resource};

/// The tickets of an organisation.
#[mcp_resource("desk://tickets/{org_id}")]
async fn tickets(org_id: String) -> ToolResult<String> {
    Ok(org_id)
}

fn main() {
    let _ = watertight::resources![tickets];
}
