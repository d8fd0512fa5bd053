use watertight::{ToolResult, mcp_resource};

/// The tickets of an organisation.
#[mcp_resource("desk://tenants/{slug}/tickets")]
async fn tickets(slug: String) -> ToolResult<String> {
    Ok(slug)
}

fn main() {
    let _ = watertight::resources![tickets];
}
