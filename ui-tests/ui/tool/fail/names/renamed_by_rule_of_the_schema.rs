use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename_all = "SCREAMING_SNAKE_CASE")]
struct Filter {
    org_key: String,
}

fn main() {
    let _ = |filter: Filter| filter.org_key;
}
