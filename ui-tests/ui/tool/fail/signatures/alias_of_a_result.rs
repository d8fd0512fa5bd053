use watertight::{ToolResult, mcp_tool};

type Res<T> = ToolResult<T>;

/// Counts letters.
#[mcp_tool]
async fn count(word: String) -> Res<usize> {
    Ok(word.len())
}

fn main() {}
