use watertight::{TenantId, ToolContext, ToolResult, mcp_tool};

/// Count the customers.
#[mcp_tool]
async fn count_customers(cx: ToolContext, whose: TenantId) -> ToolResult<bool> {
    Ok(cx.session().tenant() == &whose)
}

fn main() {
    let _ = watertight::tools![count_customers];
}
