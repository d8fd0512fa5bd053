use watertight::ToolInput;

fn any(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string" })
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[schemars(schema_with = "any")]
    plan: String,
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
