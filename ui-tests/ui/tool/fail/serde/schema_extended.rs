use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[schemars(extend("x-note" = "any"))]
struct Filter {
    plan: String,
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
