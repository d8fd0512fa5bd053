use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct One {
    two: Option<Two>,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Two(Vec<Three>);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind")]
enum Three {
    Four(Four),
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Four {
    five: [Five; 1],
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Five {
    place: Option<Box<Clinic>>,
}

fn main() {
    let _ = |one: One| one.two;
}
