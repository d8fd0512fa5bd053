use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(places: Option<Vec<Clinic>>) -> ToolResult<u64> {
    Ok(places.into_iter().flatten().map(|clinic| clinic.0).sum())
}

fn main() {}
