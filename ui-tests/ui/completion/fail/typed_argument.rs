use watertight::{ToolResult, mcp_completion, mcp_prompt};

/// Write a letter.
#[mcp_prompt]
async fn letter(pages: u32) -> ToolResult<String> {
    Ok(pages.to_string())
}

#[mcp_completion(prompt = letter)]
async fn complete_pages(pages: u32) -> ToolResult<Vec<String>> {
    Ok(vec![pages.to_string()])
}

fn main() {
    let _ = watertight::completions![complete_pages];
}
