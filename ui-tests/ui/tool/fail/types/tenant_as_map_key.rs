use std::collections::BTreeMap;
use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier, PartialEq, Eq, PartialOrd, Ord)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(#[tool(open = "labels that users invent")] places: BTreeMap<Clinic, String>) -> ToolResult<()> {
    drop(places);
    Ok(())
}

fn main() {}
