use watertight::{TenantIdentifier, ToolResult, mcp_tool};
use std::borrow::Cow;

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier, Clone)]
struct Clinic(u64);

/// Count the patients.
#[mcp_tool]
async fn count_patients(places: Cow<'static, Clinic>) -> ToolResult<()> {
    drop(places);
    Ok(())
}

fn main() {}
