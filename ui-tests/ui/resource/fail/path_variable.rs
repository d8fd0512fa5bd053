use watertight::{ToolResult, mcp_resource};

/// A page of the handbook.
#[mcp_resource("handbook://{+page}")]
async fn handbook(page: String) -> ToolResult<String> {
    Ok(page)
}

fn main() {
    let _ = watertight::resources![handbook];
}
