use std::collections::HashMap;

use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Ticket {
    id: i64,
    #[serde(flatten)]
    more: HashMap<String, String>,
}

fn main() {}
