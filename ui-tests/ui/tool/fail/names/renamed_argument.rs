use watertight::{ToolResult, mcp_tool};

/// Count the customers.
#[mcp_tool]
async fn count_customers(#[tool(rename = "workspace")] key: String) -> ToolResult<usize> {
    Ok(key.len())
}

fn main() {}
