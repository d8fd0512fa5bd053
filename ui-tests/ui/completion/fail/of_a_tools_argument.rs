use watertight::{ToolResult, mcp_completion, mcp_tool};

/// Counts letters.
#[mcp_tool]
async fn count(word: String) -> ToolResult<usize> {
    Ok(word.len())
}

#[mcp_completion(tool = count)]
async fn complete_word(word: String) -> ToolResult<Vec<String>> {
    Ok(vec![word])
}

fn main() {
    let _ = watertight::completions![complete_word];
}
