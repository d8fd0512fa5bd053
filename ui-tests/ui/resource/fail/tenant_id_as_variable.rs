use watertight::{TenantId, ToolResult, mcp_resource};

/// A ticket.
#[mcp_resource("ticket://{id}")]
async fn ticket(id: TenantId) -> ToolResult<String> {
    Ok(format!("{id:?}"))
}

fn main() {
    let _ = watertight::resources![ticket];
}
