//! Inputs in the forms that serde reads: lifetimes, markers, stand-ins, codecs, associated types,
//! constant parameters, transparent wrappers, renaming that only looks like a tenant's.

use std::borrow::Cow;
use std::marker::PhantomData;

use watertight::{ToolInput, ToolResult, mcp_tool};

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Text<'a> {
    plan: Cow<'a, str>,
    tags: Vec<Cow<'a, str>>,
}

/// A typed key: the marker is no input, and need not be one.
#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(transparent)]
struct Key<T> {
    value: u64,
    #[serde(skip)]
    of: PhantomData<T>,
}

#[derive(schemars::JsonSchema)]
struct Customer;

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[serde(try_from = "Days")]
struct Period {
    days: u32,
    // Never read: the stand-in is.
    #[allow(dead_code)]
    tenant_id: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Days {
    from: u32,
    to: u32,
}

impl TryFrom<Days> for Period {
    type Error = &'static str;

    fn try_from(days: Days) -> Result<Self, Self::Error> {
        let days = days.to.checked_sub(days.from).ok_or("ends before it begins")?;
        Ok(Self { days, tenant_id: 0 })
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Since {
    #[serde(with = "chrono::serde::ts_seconds")]
    #[schemars(with = "i64")]
    since: chrono::DateTime<chrono::Utc>,
}

trait Kind {
    type Value: serde::de::DeserializeOwned + schemars::JsonSchema + Send + 'static;
}

#[derive(schemars::JsonSchema)]
struct Numbers;

impl Kind for Numbers {
    type Value = u64;
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct AnyOf<K: Kind> {
    values: Vec<K::Value>,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Capped<T = String, const MOST: usize = 3>
where
    T: Clone,
{
    value: Option<T>,
}

/// What it is around is an honest number.
#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
#[tool(not_tenant = "the realm of a fantasy game")]
struct Realm(u8);

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Tree<T> {
    value: T,
    children: Vec<Tree<T>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
enum Shape {
    // A word among listed ones, no property.
    Tenant,
    #[tool(not_tenant = "where a fantasy game takes place")]
    Realm { name: String },
    #[serde(skip_deserializing)]
    #[allow(dead_code)]
    Org(String),
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Names {
    #[serde(rename = "plan")]
    tenant: String,
    #[serde(rename(serialize = "tenant_id"))]
    level: String,
    #[serde(default)]
    query: String,
    filter: String,
    order_by: String,
    // No text can be in it.
    statement: u32,
}

/// Takes them all.
#[mcp_tool]
#[allow(clippy::too_many_arguments)]
async fn forms(
    text: Text<'_>,
    name: Cow<'_, str>,
    key: Key<Customer>,
    period: Period,
    since: Since,
    any_of: AnyOf<Numbers>,
    capped: Capped,
    world: Option<Realm>,
    tree: Tree<u8>,
    shape: Shape,
    names: Names,
) -> ToolResult<usize> {
    let _ = (text.plan, text.tags, name, key.value, key.of, period.days, since.since);
    let _ = (any_of.values, capped.value, world.map(|it| it.0), tree.value, tree.children.len());
    let _ = (names.tenant, names.level, names.query, names.filter, names.order_by);
    match shape {
        Shape::Realm { name } | Shape::Org(name) => Ok(name.len()),
        Shape::Tenant => Ok(names.statement.try_into().unwrap_or_default()),
    }
}

pub fn main() {
    let listed: Vec<String> = watertight::tools![forms]
        .exceptions()
        .unwrap()
        .into_iter()
        .map(|(_, it)| format!("{} {:?}: {}", it.argument, it.field, it.reason))
        .collect();
    assert_eq!(
        listed,
        [
            "world Some(\"Realm\"): the realm of a fantasy game",
            "shape Some(\"Realm\"): where a fantasy game takes place",
        ]
    );
}
