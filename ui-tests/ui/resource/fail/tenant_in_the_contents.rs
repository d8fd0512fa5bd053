use watertight::{TenantId, ToolContext, ToolResult, mcp_resource};

/// Whose desk this is.
#[mcp_resource("desk://owner")]
async fn owner(cx: ToolContext) -> ToolResult<TenantId> {
    Ok(cx.session().tenant().clone())
}

fn main() {
    let _ = watertight::resources![owner];
}
