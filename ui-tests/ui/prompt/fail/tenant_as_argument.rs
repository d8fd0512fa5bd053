use watertight::{ToolResult, mcp_prompt};

/// Write a letter.
#[mcp_prompt]
async fn letter(workspace: String) -> ToolResult<String> {
    Ok(workspace)
}

fn main() {
    let _ = watertight::prompts![letter];
}
