use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter<'a> {
    plan: &'a str,
}

fn main() {
    let _ = |filter: Filter<'static>| filter.plan.len();
}
