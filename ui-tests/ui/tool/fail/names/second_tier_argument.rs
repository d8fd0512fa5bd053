use watertight::{ToolResult, mcp_tool};

/// List the repositories.
#[mcp_tool]
async fn list_repositories(account_id: u64) -> ToolResult<u64> {
    Ok(account_id)
}

fn main() {}
