use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(not_tenant = "the owner of a public repository", rename = )] owner: String) -> ToolResult<()> {
    drop(owner);
    Ok(())
}

fn main() {}
