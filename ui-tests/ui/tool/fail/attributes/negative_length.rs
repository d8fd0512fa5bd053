use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(length(-1..))] name: String) -> ToolResult<()> {
    drop(name);
    Ok(())
}

fn main() {}
