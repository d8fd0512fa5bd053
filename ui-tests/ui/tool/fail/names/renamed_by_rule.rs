use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "camelCase")]
struct Filter {
    target_tenant_uuid: uuid::Uuid,
}

fn main() {
    let _ = |filter: Filter| filter.target_tenant_uuid;
}
