use watertight::{ToolResult, mcp_resource};

/// A day's report.
#[mcp_resource("report://{year}-{month}")]
async fn report(year: u16, month: u16) -> ToolResult<u16> {
    Ok(year + month)
}

fn main() {
    let _ = watertight::resources![report];
}
