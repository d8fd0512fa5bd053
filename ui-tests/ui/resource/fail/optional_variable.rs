use watertight::{ToolResult, mcp_resource};

/// A ticket.
#[mcp_resource("ticket://{id}")]
async fn ticket(id: Option<u64>) -> ToolResult<Option<u64>> {
    Ok(id)
}

fn main() {
    let _ = watertight::resources![ticket];
}
