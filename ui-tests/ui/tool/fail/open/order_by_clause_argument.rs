use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(order_by_clause: std::borrow::Cow<'static, str>) -> ToolResult<()> {
    drop(order_by_clause);
    Ok(())
}

fn main() {}
