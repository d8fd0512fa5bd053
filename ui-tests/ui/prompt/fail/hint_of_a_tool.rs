use watertight::{ToolResult, mcp_prompt};

/// Write a letter.
#[mcp_prompt(read_only)]
async fn letter(word: String) -> ToolResult<String> {
    Ok(word)
}

fn main() {
    let _ = watertight::prompts![letter];
}
