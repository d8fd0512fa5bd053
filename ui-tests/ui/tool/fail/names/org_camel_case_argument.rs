#![allow(non_snake_case)]
use watertight::{ToolResult, mcp_tool};

/// Count the customers.
#[mcp_tool]
async fn count_customers(currentOrgId: String) -> ToolResult<usize> {
    Ok(currentOrgId.len())
}

fn main() {}
