use watertight::ToolInput;

fn open(schema: &mut schemars::Schema) {
    schema.remove("additionalProperties");
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[schemars(transform = open)]
struct Filter {
    plan: String,
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
