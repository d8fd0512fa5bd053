use std::collections::HashMap;
use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    plan: String,
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

fn main() {
    let _ = |filter: Filter| (filter.plan, filter.rest);
}
