use watertight::{ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Filter {
    plan: String,
}

/// List customers.
#[mcp_tool]
async fn list_customers(filter: Filter) -> ToolResult<String> {
    Ok(filter.plan)
}

fn main() {}
