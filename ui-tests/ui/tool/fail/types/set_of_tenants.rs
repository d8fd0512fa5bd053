use watertight::{TenantIdentifier, ToolResult, mcp_tool};
use std::collections::BTreeSet;

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier, PartialEq, Eq, PartialOrd, Ord)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(places: BTreeSet<Clinic>) -> ToolResult<()> {
    drop(places);
    Ok(())
}

fn main() {}
