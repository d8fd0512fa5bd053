use watertight::{ToolResult, mcp_resource};

/// A ticket.
#[mcp_resource("ticket://{id}/{part}")]
async fn ticket(id: u64) -> ToolResult<u64> {
    Ok(id)
}

fn main() {
    let _ = watertight::resources![ticket];
}
