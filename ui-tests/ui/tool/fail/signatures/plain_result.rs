use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(plan: String) -> usize {
    plan.len()
}

fn main() {}
