use watertight::{ToolInput, ToolResult, mcp_resource};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Day {
    month: u8,
    day: u8,
}

/// What happened.
#[mcp_resource("diary://{day}")]
async fn diary(day: Day) -> ToolResult<String> {
    Ok(format!("{} {}", day.month, day.day))
}

fn main() {
    let _ = watertight::resources![diary];
}
