use watertight::{TenantIdentifier, ToolOutput};

#[derive(serde::Serialize, schemars::JsonSchema, TenantIdentifier, ToolOutput)]
struct Clinic(u64);

fn main() {
    let _ = Clinic(1);
}
