use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(sql: String) -> ToolResult<()> {
    drop(sql);
    Ok(())
}

fn main() {}
