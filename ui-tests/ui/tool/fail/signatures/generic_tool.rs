use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients<T: Send>(plan: T) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
