use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    extra: Option<serde_json::Value>,
}

fn main() {
    let _ = |filter: Filter| filter.extra;
}
