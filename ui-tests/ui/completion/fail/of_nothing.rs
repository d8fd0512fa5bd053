use watertight::{ToolResult, mcp_completion};

#[mcp_completion]
async fn complete_word(word: String) -> ToolResult<Vec<String>> {
    Ok(vec![word])
}

fn main() {
    let _ = watertight::completions![complete_word];
}
