use watertight::{TenantIdentifier, ToolInput};

#[derive(serde::Deserialize, schemars::JsonSchema, TenantIdentifier)]
struct Place {
    slug: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    plan: String,
    #[serde(flatten)]
    place: Place,
}

fn main() {
    let _ = |filter: Filter| (filter.plan, filter.place.slug);
}
