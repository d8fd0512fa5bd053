use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
enum Target {
    Everyone,
    Place { workspace_id: u64 },
}

fn main() {
    let _ = |target: Target| matches!(target, Target::Everyone | Target::Place { workspace_id: _ });
}
