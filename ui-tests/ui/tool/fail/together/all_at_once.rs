use watertight::{ToolInput, ToolResult, mcp_tool};

#[mcp_tool(read_only, destructive, requires = "two scopes", colour = "red")]
fn list(
    tenant_id: u64,
    org: String,
    (a, b): (u8, u8),
    #[tool(range(9..=1), lenght(1..))] limit: u32,
    text: &str,
) -> u64 {
    limit as u64
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    realm: String,
    #[serde(rename = "tenantId")]
    id: u64,
    #[tool(secret)]
    plan: String,
}

/// Says hello.
#[mcp_tool]
async fn hello(name: String) -> ToolResult<String> {
    Ok(name)
}

fn main() {
    let _ = watertight::tools![list, hello];
}
