use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
enum Target {
    Everyone,
    #[serde(rename = "org_slug")]
    Place(String),
}

fn main() {
    let _ = |target: Target| matches!(target, Target::Everyone | Target::Place(_));
}
