use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[tool(rename = "level")]
    plan: String,
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
