use watertight::ToolInput;

type TenantKey = String;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    key: Option<TenantKey>,
}

fn main() {
    let _ = |filter: Filter| filter.key;
}
