use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    organisation_ids: Vec<u64>,
}

fn main() {
    let _ = |filter: Filter| filter.organisation_ids;
}
