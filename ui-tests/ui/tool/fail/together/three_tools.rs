use watertight::{ToolResult, mcp_tool};

#[mcp_tool]
async fn one(plan: String) -> ToolResult<String> {
    Ok(plan)
}

/// Two.
#[mcp_tool]
fn two(plan: String) -> ToolResult<String> {
    Ok(plan)
}

/// Three.
#[mcp_tool]
async fn three(tenant: String) -> ToolResult<String> {
    Ok(tenant)
}

fn main() {
    let _ = watertight::tools![one, two, three];
}
