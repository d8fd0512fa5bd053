use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients((from, to): (u8, u8)) -> ToolResult<u8> {
    Ok(to - from)
}

fn main() {}
