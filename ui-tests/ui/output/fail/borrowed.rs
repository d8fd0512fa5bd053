use watertight::ToolOutput;

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Ticket<'a> {
    subject: &'a str,
}

fn main() {}
