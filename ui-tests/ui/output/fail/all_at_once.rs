use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Customer<'a> {
    tenant_id: uuid::Uuid,
    name: &'a str,
    #[serde(serialize_with = "shown")]
    plan: String,
    #[tool(hidden)]
    organisation: String,
    #[serde(rename = "workspaceKey")]
    key: String,
}

fn shown<S: serde::Serializer>(plan: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(plan)
}

fn main() {}
