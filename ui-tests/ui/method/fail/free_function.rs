use watertight::ToolResult;

/// List customers.
#[watertight::tool]
async fn list(plan: String) -> ToolResult<String> {
    Ok(plan)
}

fn main() {
    let _ = list;
}
