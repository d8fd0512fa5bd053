use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(prices: std::collections::HashMap<u64, u64>) -> ToolResult<()> {
    drop(prices);
    Ok(())
}

fn main() {}
