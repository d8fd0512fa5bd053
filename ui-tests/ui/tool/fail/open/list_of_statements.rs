#![allow(non_snake_case)]
use watertight::{ToolResult, mcp_tool};

/// Count the patients.
#[mcp_tool]
async fn count_patients(sqlStatements: Vec<String>) -> ToolResult<()> {
    drop(sqlStatements);
    Ok(())
}

fn main() {}
