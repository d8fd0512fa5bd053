use std::collections::BTreeMap;
use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(open = "labels that users invent")] places: BTreeMap<String, Clinic>) -> ToolResult<()> {
    drop(places);
    Ok(())
}

fn main() {}
