use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

type Place = Clinic;

/// Count the patients.
#[mcp_tool]
async fn count_patients(place: Place) -> ToolResult<u64> {
    Ok(place.0)
}

fn main() {}
