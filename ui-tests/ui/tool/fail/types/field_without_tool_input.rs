use watertight::ToolInput;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Page {
    limit: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Filter {
    page: Page,
}

fn main() {
    let _ = |filter: Filter| filter.page.limit;
}
