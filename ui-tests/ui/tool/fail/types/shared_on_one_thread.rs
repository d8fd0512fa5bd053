use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(name: std::rc::Rc<String>) -> ToolResult<()> {
    drop(name);
    Ok(())
}

fn main() {}
