use watertight::{TenantIdentifier, ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct OneOrMany<T> {
    values: Vec<T>,
}

/// Count the patients.
#[mcp_tool]
async fn count_patients(places: OneOrMany<Clinic>) -> ToolResult<u64> {
    Ok(places.values.iter().map(|clinic| clinic.0).sum())
}

fn main() {}
