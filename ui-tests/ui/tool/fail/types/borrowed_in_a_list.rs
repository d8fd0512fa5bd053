use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(names: Vec<&str>) -> ToolResult<()> {
    drop(names);
    Ok(())
}

fn main() {}
