use watertight::{TenantIdentifier, ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

trait Keyed {
    type Key: serde::de::DeserializeOwned + schemars::JsonSchema + Send + 'static;
}

#[derive(schemars::JsonSchema)]
struct Clinics;

impl Keyed for Clinics {
    type Key = Clinic;
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter<T: Keyed> {
    keys: Vec<T::Key>,
}

/// Count the patients.
#[mcp_tool]
async fn count_patients(filter: Filter<Clinics>) -> ToolResult<usize> {
    Ok(filter.keys.len())
}

fn main() {}
