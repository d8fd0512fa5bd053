//! A tool without a context is still called like any function.

use watertight::{ToolResult, mcp_tool};

/// Adds two numbers.
#[mcp_tool]
async fn add(a: i32, b: Option<i32>) -> ToolResult<i32> {
    Ok(a + b.unwrap_or_default())
}

#[tokio::main(flavor = "current_thread")]
pub async fn main() {
    assert_eq!(add(1, Some(2)).await.unwrap(), 3);
}
