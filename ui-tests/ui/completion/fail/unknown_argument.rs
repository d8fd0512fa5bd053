use watertight::{ToolResult, mcp_completion, mcp_prompt};

/// Write a letter.
#[mcp_prompt]
async fn letter(word: String) -> ToolResult<String> {
    Ok(word)
}

#[mcp_completion(prompt = letter)]
async fn complete_word(wrod: String) -> ToolResult<Vec<String>> {
    Ok(vec![wrod])
}

fn main() {
    let _ = watertight::completions![complete_word];
}
