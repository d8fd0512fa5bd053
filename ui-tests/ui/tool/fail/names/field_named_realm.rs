use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    realm: String,
}

fn main() {
    let _ = |filter: Filter| filter.realm;
}
