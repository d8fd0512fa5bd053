use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind", content = "org")]
enum Target {
    Everyone,
    Plan { name: String },
}

fn main() {
    let _ = |target: Target| matches!(target, Target::Everyone | Target::Plan { name: _ });
}
