use watertight::{TenantIdentifier, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

/// Moves a patient.
#[mcp_tool]
async fn move_patient(from: Clinic, to: Option<Clinic>, via: Vec<Clinic>) -> ToolResult<()> {
    drop((from, to, via));
    Ok(())
}

fn main() {}
