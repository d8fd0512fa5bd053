use watertight::{ToolResult, mcp_prompt};

/// Write a letter.
#[mcp_prompt]
async fn letter(word: String) -> ToolResult<usize> {
    Ok(word.len())
}

fn main() {
    let _ = watertight::prompts![letter];
}
