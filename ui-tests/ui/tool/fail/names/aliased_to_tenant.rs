use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(alias = "tenant")]
    key: String,
}

fn main() {
    let _ = |filter: Filter| filter.key;
}
