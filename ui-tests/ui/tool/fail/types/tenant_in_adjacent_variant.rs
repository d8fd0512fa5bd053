use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind", content = "value")]
enum Target {
    Everyone { limit: u32 },
    Place { at: Clinic },
}

fn main() {
    let _ = |target: Target| matches!(target, Target::Place { at: _ } | Target::Everyone { limit: _ });
}
