use watertight::{TenantIdentifier, ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Page<T = Clinic> {
    after: T,
}

/// Count the patients.
#[mcp_tool]
async fn count_patients(page: Page) -> ToolResult<u64> {
    Ok(page.after.0)
}

fn main() {}
