use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    r#tenant: String,
}

fn main() {
    let _ = |filter: Filter| filter.r#tenant;
}
