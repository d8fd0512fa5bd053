use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(places: std::ops::Range<Clinic>) -> ToolResult<()> {
    drop(places);
    Ok(())
}

fn main() {}
