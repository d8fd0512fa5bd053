//! Structs and enums of one's own: every tagging, generics, recursion, flatten.

use watertight::{ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(rename_all = "camelCase")]
struct Filter<T> {
    created_after: Option<chrono::NaiveDate>,
    #[serde(flatten)]
    page: Page,
    #[serde(alias = "sortBy")]
    order: Vec<T>,
    either: Option<Either>,
    #[serde(skip)]
    tenant_id: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Page {
    #[serde(default)]
    after: String,
    limit: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
enum Order {
    Name,
    Created { descending: bool },
    Nested(Box<Order>),
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind", content = "value")]
enum Either {
    Tenant,
    Text(String),
    Unit(Unit),
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Unit;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(untagged)]
enum Id {
    Number(Number),
    Text(String),
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(transparent)]
struct Number(u64);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(tag = "kind")]
enum Change {
    Close,
    Page(Page),
    Rename { to: String },
}

/// Search.
#[mcp_tool]
async fn search(filter: Filter<Order>, id: Id, change: Option<Change>) -> ToolResult<()> {
    let _ = (filter.created_after, filter.page.after, filter.page.limit, filter.either);
    let _ = (filter.order.len(), filter.tenant_id);
    match id {
        Id::Number(Number(_)) | Id::Text(_) => {}
    }
    match change {
        Some(Change::Rename { to }) => drop(to),
        Some(Change::Page(page)) => drop(page),
        Some(Change::Close) | None => {}
    }
    let _ = (Order::Name, Order::Created { descending: true }, Order::Nested(Box::new(Order::Name)));
    let _ = (Either::Tenant, Either::Text(String::new()), Either::Unit(Unit));
    Ok(())
}

pub fn main() {
    watertight::tools![search].exceptions().unwrap();
}
