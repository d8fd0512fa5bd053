use watertight::{ToolResult, mcp_prompt};

/// Compare tickets.
#[mcp_prompt]
async fn compare(tickets: Vec<u64>) -> ToolResult<String> {
    Ok(format!("{tickets:?}"))
}

fn main() {
    let _ = watertight::prompts![compare];
}
