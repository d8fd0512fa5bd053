use watertight::{ToolInput, ToolResult, mcp_prompt};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Span {
    from: u32,
    to: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Pages(Option<Span>);

/// Sum up pages.
#[mcp_prompt]
async fn sum_up(pages: Pages) -> ToolResult<String> {
    Ok(pages.0.map(|it| format!("{} {}", it.from, it.to)).unwrap_or_default())
}

fn main() {
    let _ = watertight::prompts![sum_up];
}
