use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(where_clause: Option<String>) -> ToolResult<()> {
    drop(where_clause);
    Ok(())
}

fn main() {}
