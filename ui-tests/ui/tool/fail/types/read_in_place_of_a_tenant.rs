use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Clinic(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(from = "Clinic")]
struct Place(u64);

impl From<Clinic> for Place {
    fn from(clinic: Clinic) -> Self {
        Self(clinic.0)
    }
}

fn main() {
    let _ = |place: Place| place.0;
}
