use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(rename = "workspaceId")]
    key: String,
}

fn main() {
    let _ = |filter: Filter| filter.key;
}
