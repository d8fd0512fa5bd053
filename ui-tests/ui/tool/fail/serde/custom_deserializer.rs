use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(deserialize_with = "read")]
    #[schemars(with = "String")]
    plan: String,
}

fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    serde::Deserialize::deserialize(from)
}

fn main() {
    let _ = |filter: Filter| filter.plan;
}
