use watertight::{TenantIdentifier, ToolOutput, ToolResult, mcp_tool};

#[derive(serde::Serialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Page<T> {
    items: Vec<T>,
}

/// Lists the clinics.
#[mcp_tool]
async fn clinics() -> ToolResult<Page<Clinic>> {
    Ok(Page { items: vec![Clinic(1)] })
}

fn main() {}
