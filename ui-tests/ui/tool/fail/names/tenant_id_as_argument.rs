use watertight::{ToolResult, mcp_tool};

/// Count the customers.
#[mcp_tool]
async fn count_customers(tenant_id: u64) -> ToolResult<u64> {
    Ok(tenant_id)
}

fn main() {
    let _ = watertight::tools![count_customers];
}
