use watertight::{TenantId, ToolContext, ToolResult, mcp_tool};

/// Says whose data this is.
#[mcp_tool]
async fn whose(cx: ToolContext) -> ToolResult<Vec<TenantId>> {
    Ok(vec![cx.session().tenant().clone()])
}

fn main() {}
