use std::collections::HashMap;
use watertight::{ToolResult, mcp_tool};

/// Label a ticket.
#[mcp_tool]
async fn label(labels: HashMap<String, String>) -> ToolResult<usize> {
    Ok(labels.len())
}

fn main() {}
