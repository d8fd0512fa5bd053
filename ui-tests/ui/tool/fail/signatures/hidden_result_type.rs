use watertight::{ToolResult, mcp_tool};

type Answer = ToolResult<String>;

/// Says hello.
#[mcp_tool]
async fn hello(name: String) -> Answer {
    Ok(name)
}

fn main() {}
