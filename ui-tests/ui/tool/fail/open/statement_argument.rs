use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(statement: String) -> ToolResult<()> {
    drop(statement);
    Ok(())
}

fn main() {}
