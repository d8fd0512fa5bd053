use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    labels: std::collections::BTreeMap<String, String>,
}

fn main() {
    let _ = |filter: Filter| filter.labels;
}
