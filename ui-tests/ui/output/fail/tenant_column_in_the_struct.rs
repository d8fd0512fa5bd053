use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Customer {
    id: i64,
    tenant_id: uuid::Uuid,
    name: String,
}

fn main() {}
