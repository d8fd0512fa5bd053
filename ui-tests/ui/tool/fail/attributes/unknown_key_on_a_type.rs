use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[tool(name = "filter")]
struct Filter {
    plan: String,
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
