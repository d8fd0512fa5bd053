use watertight::{ToolResult, mcp_resource};

/// A ticket.
#[mcp_resource(requires = "tickets:read")]
async fn ticket() -> ToolResult<u64> {
    Ok(1)
}

fn main() {
    let _ = watertight::resources![ticket];
}
