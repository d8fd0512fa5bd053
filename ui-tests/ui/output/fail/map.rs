use std::collections::BTreeMap;

use watertight::{ToolResult, mcp_tool};

/// Counts by state.
#[mcp_tool]
async fn counts() -> ToolResult<BTreeMap<String, u64>> {
    Ok(BTreeMap::new())
}

fn main() {}
