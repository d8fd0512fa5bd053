use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    account_number: String,
}

fn main() {
    let _ = |filter: Filter| filter.account_number;
}
