use watertight::{ToolResult, mcp_tool};

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Customer {
    id: i64,
    tenant_id: uuid::Uuid,
}

/// Lists customers.
#[mcp_tool]
async fn customers() -> ToolResult<Vec<Customer>> {
    Ok(Vec::new())
}

fn main() {}
