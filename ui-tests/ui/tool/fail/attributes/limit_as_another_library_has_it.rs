use watertight::{ToolResult, mcp_tool};

/// List customers.
#[mcp_tool]
async fn list_customers(#[tool(min = 1)] limit: u32) -> ToolResult<u32> {
    Ok(limit)
}

fn main() {}
