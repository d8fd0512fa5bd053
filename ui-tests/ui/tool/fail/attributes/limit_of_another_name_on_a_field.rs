use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    #[tool(range(1..=9))]
    level: u32,
}

fn main() {}
