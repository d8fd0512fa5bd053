use watertight::{ToolResult, mcp_tool};

/// List customers.
#[mcp_tool]
async fn list_customers(#[tool(range(1..=100))] plan: String) -> ToolResult<String> {
    Ok(plan)
}

fn main() {}
