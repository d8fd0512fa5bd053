use watertight::{DbResult, ToolContext, mcp_tool};

/// Counts customers.
#[mcp_tool]
async fn count(cx: ToolContext) -> DbResult<i64> {
    cx.read().await.map(|_| 0)
}

fn main() {}
