use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(rename_all = "camelCase")]
struct Customer {
    id: i64,
    #[serde(rename(serialize = "orgId"))]
    home: uuid::Uuid,
}

fn main() {}
