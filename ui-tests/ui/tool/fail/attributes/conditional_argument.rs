use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[cfg(all())] plan: String) -> ToolResult<()> {
    drop(plan);
    Ok(())
}

fn main() {}
