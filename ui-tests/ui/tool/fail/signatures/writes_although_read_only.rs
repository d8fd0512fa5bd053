use watertight::{ToolContext, ToolResult, mcp_tool};

/// Counts customers.
#[mcp_tool(read_only)]
async fn count(cx: ToolContext) -> ToolResult<bool> {
    let scope = match cx.has_scope("x") {
        true => cx.write().await?,
        false => return Ok(false),
    };
    scope.commit().await?;
    Ok(true)
}

fn main() {}
