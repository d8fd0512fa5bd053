use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(tag = "workspace")]
enum Change {
    Renamed { name: String },
}

fn main() {}
