use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Ticket {
    id: i64,
    details: serde_json::Value,
}

fn main() {}
