use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(rename = "rawSql")]
    text: String,
}

fn main() {
    let _ = |filter: Filter| filter.text;
}
