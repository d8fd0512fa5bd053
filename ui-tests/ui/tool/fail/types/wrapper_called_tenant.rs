use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct WorkspaceKey(String);

fn main() {
    let _ = |key: WorkspaceKey| key.0;
}
