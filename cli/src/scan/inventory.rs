//! What one identity is offered: tools, prompts, resources and templates, page by page.
//!
//! Invariant: a list that could not be read to its end says why, and is never taken for a whole one.

use serde_json::{Value, json};

use super::client::{About, Client};
use super::wire::{Failure, Marks};

/// How many pages of one list are read.
const PAGES: usize = 50;
/// How many entries of one list are kept.
const ENTRIES: usize = 2000;

/// The four lists.
pub(crate) const LISTS: [List; 4] = [
    List {
        kind: "tool",
        method: "tools/list",
        member: "tools",
        part: "tools",
        name: "name",
    },
    List {
        kind: "prompt",
        method: "prompts/list",
        member: "prompts",
        part: "prompts",
        name: "name",
    },
    List {
        kind: "resource",
        method: "resources/list",
        member: "resources",
        part: "resources",
        name: "uri",
    },
    List {
        kind: "resource template",
        method: "resources/templates/list",
        member: "resourceTemplates",
        part: "resources",
        name: "uriTemplate",
    },
];

/// How a list is asked for.
#[derive(Debug)]
pub(crate) struct List {
    /// What an entry is.
    pub(crate) kind: &'static str,
    pub(crate) method: &'static str,
    pub(crate) member: &'static str,
    /// The capability that announces it.
    pub(crate) part: &'static str,
    /// The member that tells entries apart.
    pub(crate) name: &'static str,
}

/// One list as one identity sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    pub(crate) entries: Vec<Value>,
    /// `cacheScope` and the headers of the first page.
    pub(crate) scope: Option<String>,
    pub(crate) marks: Marks,
    /// Each cursor, and the names on the page that it leads to.
    pub(crate) pages: Vec<(String, Vec<String>)>,
    /// Why it is not whole.
    pub(crate) incomplete: Option<String>,
}

/// All lists of one identity, in the order of `LISTS`.
pub(crate) type Inventory = Vec<Listed>;

/// Reads what is offered.
pub(crate) async fn read(client: &Client, about: &About) -> Result<Inventory, Failure> {
    let mut inventory = Vec::new();
    for list in &LISTS {
        let listed = if about.offers(list.part) {
            one(client, list).await?
        } else {
            Listed::default()
        };
        inventory.push(listed);
    }
    Ok(inventory)
}

async fn one(client: &Client, list: &List) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    let mut cursor: Option<String> = None;
    for page in 0..PAGES {
        let params = cursor
            .as_ref()
            .map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        let answer = match client.request(list.method, params).await {
            Ok(answer) => answer,
            Err(failure @ (Failure::Denied(_) | Failure::Limit(_))) => return Err(failure),
            Err(failure) => {
                listed.incomplete = Some(failure.reason());
                return Ok(listed);
            }
        };
        let result = match answer.result {
            Ok(result) => result,
            // Announced by a sibling: templates come with resources, and may not be there.
            Err(error) if error.code == -32601 => return Ok(listed),
            Err(error) => {
                listed.incomplete = Some(super::shown::shown(&error.text()));
                return Ok(listed);
            }
        };
        let Some(entries) = result.get(list.member).and_then(Value::as_array) else {
            listed.incomplete = Some(format!("the answer has no list `{}`", list.member));
            return Ok(listed);
        };
        if page == 0 {
            listed.scope = cache_scope(&result);
            listed.marks = answer.marks;
        }
        if let Some(cursor) = &cursor {
            let names = entries.iter().map(|it| name_of(it, list)).collect();
            listed.pages.push((cursor.clone(), names));
        }
        listed.entries.extend(entries.iter().cloned());
        let next = result.get("nextCursor").and_then(Value::as_str);
        if listed.entries.len() > ENTRIES {
            listed.entries.truncate(ENTRIES);
            listed.incomplete = Some(format!("more than {ENTRIES} entries"));
            return Ok(listed);
        }
        match next {
            Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
            Some(_) => {
                listed.incomplete = Some("a cursor that leads to itself".to_owned());
                return Ok(listed);
            }
            None => return Ok(listed),
        }
    }
    listed.incomplete = Some(format!("more than {PAGES} pages"));
    Ok(listed)
}

/// The `cacheScope` of a result, where it says one that lasts: with no time to live nothing is kept.
pub(crate) fn cache_scope(result: &Value) -> Option<String> {
    let scope = result.get("cacheScope").and_then(Value::as_str)?;
    Some(scope.to_owned())
}

/// The name of an entry, for people and for suppressions.
pub(crate) fn name_of(entry: &Value, list: &List) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let name = text(list.name).or_else(|| text("name"));
    super::shown::shown(name.unwrap_or("(without a name)"))
}
