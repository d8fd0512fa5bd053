use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(rename(serialize = "plan", deserialize = "tenant"))]
    key: String,
}

fn main() {
    let _ = |filter: Filter| filter.key;
}
