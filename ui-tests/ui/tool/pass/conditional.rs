//! A tool under a condition that does not hold leaves nothing behind.

/// Says hello.
#[watertight::mcp_tool]
#[cfg(any())]
async fn hello(name: DoesNotExist) -> watertight::ToolResult<String> {
    Ok(name)
}

pub fn main() {}
