use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[schemars(rename = "tenant")]
    key: String,
}

fn main() {
    let _ = |filter: Filter| filter.key;
}
