//! Results of one's own: every tagging, generics, recursion, flatten, and what is only written.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use watertight::{Reply, ToolInput, ToolOutput, ToolResult, mcp_tool};

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
    #[serde(flatten)]
    about: About,
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct About {
    title: &'static str,
    language: Cow<'static, str>,
    took: std::time::Duration,
    point: (f64, f64),
    days: [chrono::NaiveDate; 2],
    #[tool(open = "fields that users invent")]
    details: serde_json::Value,
    #[tool(open = "counts by state")]
    counts: BTreeMap<String, u64>,
    #[tool(open = "tags by ticket")]
    tags: HashMap<String, Vec<Tag>>,
}

/// Both ways: an argument and a result.
#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema, ToolInput, ToolOutput)]
#[serde(rename_all = "lowercase")]
enum Tag {
    Urgent,
    Custom(String),
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Ticket {
    id: uuid::Uuid,
    // Honest in a result, though an argument of that name has to explain itself.
    owner: String,
    customer: i64,
    account_id: i64,
    #[serde(skip_serializing)]
    #[schemars(skip)]
    tenant_id: u64,
    #[tool(not_tenant = "renter of a flat")]
    tenant: String,
    replies: Vec<Ticket>,
    change: Change,
    either: Either,
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(tag = "kind")]
enum Change {
    Opened,
    Renamed { to: String },
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(untagged)]
enum Either {
    Number(Number),
    Text(String),
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(transparent)]
struct Number(u64);

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    One(i32),
    Two,
}

#[derive(serde::Serialize, schemars::JsonSchema, ToolOutput)]
struct Unit;

/// Lists tickets.
#[mcp_tool]
async fn tickets(tag: Tag) -> ToolResult<Page<Ticket>> {
    let change = match tag {
        Tag::Urgent => Change::Opened,
        Tag::Custom(to) => Change::Renamed { to },
    };
    let ticket = Ticket {
        id: uuid::Uuid::nil(),
        owner: "ada".to_owned(),
        customer: 1,
        account_id: 2,
        tenant_id: 3,
        tenant: "a person".to_owned(),
        replies: Vec::new(),
        change,
        either: Either::Number(Number(1)),
    };
    let about = About {
        title: "tickets",
        language: Cow::Borrowed("en"),
        took: std::time::Duration::ZERO,
        point: (0.0, 0.0),
        days: [chrono::NaiveDate::MIN; 2],
        details: serde_json::Value::Null,
        counts: BTreeMap::new(),
        tags: HashMap::new(),
    };
    Ok(Page { items: vec![ticket], next_cursor: None, about })
}

/// Returns nothing but that it worked.
#[mcp_tool]
async fn unit() -> ToolResult<(Unit, Adjacent, Option<Adjacent>)> {
    let _ = Either::Text(String::new());
    Ok((Unit, Adjacent::One(1), Some(Adjacent::Two)))
}

/// Returns a text.
#[mcp_tool]
async fn text() -> ToolResult<Reply> {
    Ok(Reply::text("hello"))
}

pub fn main() {
    let exceptions = watertight::tools![tickets, unit, text].exceptions().unwrap();
    let mut found: Vec<_> = exceptions
        .iter()
        .map(|(tool, it)| (tool.as_str(), it.argument, it.field.unwrap_or_default()))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("tickets", "(result)", "counts"),
            ("tickets", "(result)", "details"),
            ("tickets", "(result)", "tags"),
            ("tickets", "(result)", "tenant"),
        ]
    );
}
