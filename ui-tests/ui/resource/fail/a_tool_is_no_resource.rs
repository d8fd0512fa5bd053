use watertight::{ToolResult, mcp_tool};

/// Counts tickets.
#[mcp_tool]
async fn count_tickets() -> ToolResult<u64> {
    Ok(1)
}

fn main() {
    let _ = watertight::resources![count_tickets];
}
