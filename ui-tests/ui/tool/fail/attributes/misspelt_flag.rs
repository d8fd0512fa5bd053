use watertight::{ToolResult, mcp_tool};

/// List customers.
#[mcp_tool(readonly)]
async fn list_customers(limit: u32) -> ToolResult<u32> {
    Ok(limit)
}

fn main() {}
