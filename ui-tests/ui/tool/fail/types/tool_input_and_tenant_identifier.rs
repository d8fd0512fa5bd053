use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier, ToolInput)]
struct Clinic(u64);

fn main() {
    let _ = |clinic: Clinic| clinic.0;
}
