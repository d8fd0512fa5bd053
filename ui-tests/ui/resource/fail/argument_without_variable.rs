use watertight::{ToolResult, mcp_resource};

/// A ticket.
#[mcp_resource("ticket://{id}")]
async fn ticket(id: u64, part: u64) -> ToolResult<u64> {
    Ok(id + part)
}

fn main() {
    let _ = watertight::resources![ticket];
}
