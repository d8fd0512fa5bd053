use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[serde(with = "place")]
    #[schemars(with = "u64")]
    #[tool(open = "the number of a place")]
    place: Clinic,
}

mod place {
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<super::Clinic, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

fn main() {
    let _ = |filter: Filter| filter.place;
}
