use watertight::{ToolResult, mcp_resource};

/// The tickets of an organisation.
#[mcp_resource("desk://tenants/{slug}/{+rest}", read_only)]
fn tickets(tenant_id: String, parts: Option<Vec<u64>>) -> u64 {
    0
}

#[mcp_resource("desk://{org}/{part}", requires = "a b")]
async fn parts(part: Option<u64>, more: &str) -> ToolResult<u64> {
    Ok(1)
}

fn main() {
    let _ = watertight::resources![tickets, parts];
}
