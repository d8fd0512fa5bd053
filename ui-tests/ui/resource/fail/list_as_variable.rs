use watertight::{ToolResult, mcp_resource};

/// Tickets.
#[mcp_resource("tickets://{ids}")]
async fn tickets(ids: Vec<u64>) -> ToolResult<usize> {
    Ok(ids.len())
}

fn main() {
    let _ = watertight::resources![tickets];
}
