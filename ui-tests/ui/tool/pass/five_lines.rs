//! The shortest useful tool, and what it publishes.

use watertight::{Tool, ToolContext, ToolOutput, ToolResult, mcp_tool};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Customer {
    id: i64,
    name: String,
}

/// List customers on a plan.
#[mcp_tool(requires = "customers:read", read_only)]
async fn list_customers(
    cx: ToolContext,
    /// Plan name, such as "pro".
    plan: String,
    #[tool(range(1..=100), default = 20)] limit: u32,
) -> ToolResult<Vec<Customer>> {
    let name = format!("{} of {plan}", cx.user());
    Ok(vec![Customer { id: limit.into(), name }])
}

pub fn main() {
    let spec = list_customers::spec();
    assert_eq!(spec.name(), "list_customers");
    assert_eq!(spec.scopes(), ["customers:read"]);
    let _ = watertight::tools![list_customers];
}
