//! What one identity was shown, as arguments of other calls: which value may go where.
//!
//! Invariant: a value is offered only where its name, its source or the schema's pattern speak for it,
//! and whether it is the id of a row, rather than of what a row refers to, goes with it.

use regex::Regex;
use serde_json::{Value, json};
use watertight_analysis::words::{Extra, Tier, classify};

use super::arguments::{build, is_uuid, pointer, slots, words};
use super::atoms::Named;
use super::pattern;

/// A value that one identity was shown, and by what.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) named: Named,
    /// The words of the tool, prompt or resource that showed it.
    pub(crate) source: Vec<String>,
}

/// Arguments, and what in them is an identity's own.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) arguments: Value,
    /// Where the value went, as a JSON pointer.
    pub(crate) at: String,
    /// The argument that was filled, and the value.
    pub(crate) with: (String, Value),
    /// Whether the value was the id of a row rather than of something that the row refers to.
    pub(crate) own_row: bool,
}

/// What there is to fill arguments with.
pub(crate) struct Pool<'a> {
    pub(crate) known: &'a [Known],
    /// Claims and canaries, with what they are.
    pub(crate) marks: &'a [(String, String)],
    pub(crate) extra: &'a Extra,
}

/// Arguments with a value of the identity's own for each argument that takes one, one at a time.
pub(crate) fn filled(name: &str, schema: &Value, pool: &Pool<'_>, most: usize) -> Vec<Filled> {
    let nouns = words(name);
    let mut all = Vec::new();
    for (path, inner) in slots(schema) {
        let argument = argument_of(&path);
        if !takes_own(argument, inner, pool) {
            continue;
        }
        let found = candidates(argument, inner, &nouns, pool);
        for (value, own_row) in found.into_iter().take(most) {
            let made = build(schema, &path, &|at, inner| {
                if at == path.as_slice() {
                    return Some(value.clone());
                }
                // The other ids from what is known as well.
                let argument = argument_of(at);
                if at.is_empty() || !takes_own(argument, inner, pool) {
                    return None;
                }
                let mut found = candidates(argument, inner, &nouns, pool).into_iter();
                found.next().map(|(value, _)| value)
            });
            if let Ok(arguments) = made {
                let at = path.iter().map(|it| format!("/{}", pointer(it))).collect();
                all.push(Filled {
                    arguments,
                    at,
                    with: (path.join("."), value),
                    own_row,
                });
            }
        }
    }
    all
}

/// The name of the argument at a path: of a list, the list's.
fn argument_of(path: &[String]) -> &str {
    let name = path.iter().rev().find(|it| it.parse::<usize>().is_err());
    name.map(String::as_str).unwrap_or_default()
}

/// Words that say that a value names a row.
const IDS: &[&str] = &[
    "id",
    "uuid",
    "guid",
    "key",
    "ref",
    "reference",
    "number",
    "uri",
    "slug",
    "handle",
    "code",
    "email",
    "no",
    "pk",
    "sku",
    "cursor",
    "token",
];
/// Words of arguments that search.
const SEARCHES: &[&str] = &[
    "query", "q", "search", "text", "term", "keyword", "filter", "name", "contain",
];
/// Words that say in which direction pages go.
const PAGES: &[&str] = &["next", "page", "after", "continuation"];

/// Words of names of tools that are about nothing in particular.
const VERBS: &[&str] = &[
    "get", "list", "read", "find", "show", "search", "fetch", "describe", "view", "all", "my",
    "by", "id", "query", "lookup", "recent", "the", "of", "and", "for", "in", "a",
];

/// Whether a person wrote it: words, rather than an id or a time.
fn is_phrase(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.contains(' ')
            && text.len() <= 80
            && text.chars().filter(|c| c.is_alphabetic()).count() >= 6
    })
}

pub(super) fn is_id(name: &str, schema: &Value) -> bool {
    let words = words(name);
    words.last().is_some_and(|it| IDS.contains(&it.as_str()))
        || schema.get("format").and_then(Value::as_str) == Some("uuid")
}

fn is_search(name: &str) -> bool {
    words(name)
        .last()
        .is_some_and(|it| SEARCHES.contains(&it.as_str()))
}

/// Whether a text looks like an id: one word with a digit in it.
fn is_code(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        (3..=80).contains(&text.len())
            && !text.contains(char::is_whitespace)
            && text.bytes().any(|it| it.is_ascii_digit())
    })
}

fn pattern_of(schema: &Value) -> Option<Regex> {
    pattern::read(schema.get("pattern")?.as_str()?)
}

/// Whether a value of an identity's own may go there.
fn takes_own(name: &str, schema: &Value, pool: &Pool<'_>) -> bool {
    let bounded = ["enum", "const"]
        .iter()
        .any(|key| schema.get(*key).is_some());
    let scalar = match schema.get("type") {
        Some(Value::String(ty)) => matches!(ty.as_str(), "string" | "integer" | "number"),
        Some(Value::Array(list)) => list.iter().any(|it| it == "string" || it == "integer"),
        _ => true,
    };
    if bounded || !scalar {
        return false;
    }
    let named = is_id(name, schema)
        || is_search(name)
        || classify(name, pool.extra).is_some_and(|it| it.tier == Tier::First);
    // A name that answers have too, a thing that was listed, a form that ids have.
    let (wanted, pattern) = (words(name), pattern_of(schema));
    named
        || pool.known.iter().any(|one| {
            let id = is_code(&one.named.value);
            (id && words(&one.named.key) == wanted)
                || (id
                    && wanted.len() == 1
                    && (wanted.iter().all(|it| one.source.contains(it))
                        || words(&one.named.parent) == wanted))
                || pattern
                    .as_ref()
                    .is_some_and(|it| id && fits_pattern(it, &one.named.value))
        })
}

fn fits_pattern(pattern: &Regex, value: &Value) -> bool {
    value.as_str().is_some_and(|it| pattern.is_match(it))
}

/// Values of the identity's own for an argument, the best first, and whether each is a row's own id.
fn candidates(
    argument: &str,
    schema: &Value,
    nouns: &[String],
    pool: &Pool<'_>,
) -> Vec<(Value, bool)> {
    let mut found: Vec<(u32, Value, bool)> = Vec::new();
    let tenant = classify(argument, pool.extra).is_some_and(|it| it.tier == Tier::First);
    if tenant {
        for (claim, text) in pool.marks {
            if claim == "canary" || classify(claim, pool.extra).is_some() {
                found.push((9, Value::from(text.as_str()), true));
            }
        }
    }
    let wanted = words(argument);
    let (last, subject) = match wanted.split_last() {
        Some((last, subject)) if IDS.contains(&last.as_str()) && last != "sku" => {
            (last.as_str(), subject)
        }
        _ => ("", wanted.as_slice()),
    };
    let subject: Vec<&String> = subject
        .iter()
        .filter(|it| !PAGES.contains(&it.as_str()))
        .collect();
    let search = last.is_empty() && is_search(argument);
    let pages = last == "cursor" || last == "token";
    let pattern = pattern_of(schema);
    for one in pool.known {
        let key = words(&one.named.key);
        let parent = words(&one.named.parent);
        let own_id = matches!(key.as_slice(), [only] if IDS.contains(&only.as_str()));
        let about = |noun: &String| one.source.contains(noun) || parent.contains(noun);
        let code = is_code(&one.named.value);
        // A list of texts, or the keys of a map: an id without a name.
        let bare = one.named.key.is_empty() && code;
        let formed = pattern
            .as_ref()
            .map(|it| fits_pattern(it, &one.named.value));
        let score = if formed == Some(false) {
            0
        } else if key == wanted && !subject.is_empty() {
            8
        } else if formed == Some(true) && code {
            7
        } else if pages {
            let cursor = key.last().is_some_and(|it| it == "cursor" || it == "token");
            if cursor { 7 } else { 0 }
        } else if own_id && key.last().is_some_and(|it| it == last) {
            match subject.as_slice() {
                [] if nouns.iter().any(about) => 6,
                [] => 2,
                subject if subject.iter().any(|it| about(it)) => 6,
                _ => 0,
            }
        } else if own_id && last == "id" && subject.iter().any(|it| about(it)) {
            3
        } else if last.is_empty() && own_id && subject.iter().any(|it| about(it)) {
            // `ticket`, where `list_tickets` gave ids.
            5
        } else if bare && !search {
            match subject.as_slice() {
                [] if nouns
                    .iter()
                    .any(|it| !VERBS.contains(&it.as_str()) && about(it)) =>
                {
                    5
                }
                [] => 1,
                subject if subject.iter().any(|it| about(it)) => 5,
                _ => 1,
            }
        } else if search && is_phrase(&one.named.value) {
            if key == wanted { 5 } else { 4 }
        } else if search && one.named.value.is_string() {
            1
        } else {
            0
        };
        // What a row refers to may be shared by tenants. Its own id, asked for where the same kind of
        // thing was listed, is the row's.
        let same_kind = nouns
            .iter()
            .chain(subject.iter().copied())
            .any(|noun| !VERBS.contains(&noun.as_str()) && about(noun));
        let handle = key.last().is_some_and(|it| it == "cursor" || it == "token");
        let names_row = own_id || handle || bare || key.iter().any(|it| one.source.contains(it));
        let row = names_row && same_kind;
        if score > 0
            && let Some(value) = fits(&one.named.value, schema)
            && !found.iter().any(|(_, known, _)| *known == value)
        {
            found.push((score, value, row));
        }
    }
    found.sort_by_key(|(score, ..)| std::cmp::Reverse(*score));
    found
        .into_iter()
        .map(|(_, value, row)| (value, row))
        .collect()
}

/// The value as the schema takes it.
fn fits(value: &Value, schema: &Value) -> Option<Value> {
    let is = |wanted: &str| match schema.get("type") {
        Some(Value::String(ty)) => ty == wanted,
        Some(Value::Array(list)) => list.iter().any(|it| it == wanted),
        _ => wanted == "string",
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if is("string") {
        let uuid = schema.get("format").and_then(Value::as_str) == Some("uuid");
        let long = schema.get("maxLength").and_then(Value::as_u64);
        let long = long.is_some_and(|most| text.chars().count() as u64 > most);
        return (!long && (!uuid || is_uuid(&text))).then(|| Value::from(text));
    }
    if is("integer") || is("number") {
        return text.parse::<i64>().ok().map(|it| json!(it));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known(key: &str, value: Value, source: &str) -> Known {
        Known {
            named: Named {
                key: key.to_owned(),
                parent: String::new(),
                value,
            },
            source: words(source),
        }
    }

    fn made(tool: &str, schema: &Value, known: &[Known]) -> Vec<Value> {
        let extra = Extra::default();
        let pool = Pool {
            known,
            marks: &[],
            extra: &extra,
        };
        let made = filled(tool, schema, &pool, 3).into_iter();
        made.map(|it| it.arguments).collect()
    }

    #[test]
    fn ids_come_from_answers_about_the_same_thing() {
        let schema =
            json!({"required": ["ticket_id"], "properties": {"ticket_id": {"type": "string"}}});
        let pool = [
            known("id", json!("c-1"), "list_customers"),
            known("id", json!("t-1"), "list_tickets"),
            known("title", json!("Printer"), "list_tickets"),
        ];
        assert_eq!(
            made("read_ticket", &schema, &pool),
            [json!({"ticket_id": "t-1"})]
        );
    }

    #[test]
    fn ids_without_a_name_of_another_name_and_of_a_form() {
        let text =
            |name: &str| json!({"required": [name], "properties": {name: {"type": "string"}}});
        let bare = [known("", json!("INV-20418"), "list_invoices")];
        assert_eq!(
            made("dunning_letter", &text("invoice"), &bare),
            [json!({"invoice": "INV-20418"})]
        );
        assert_eq!(
            made(
                "deal://{code}",
                &text("code"),
                &[known("", json!("D-7F3A"), "deals")]
            ),
            [json!({"code": "D-7F3A"})]
        );
        let skus = [known("sku", json!("AX-11"), "stock")];
        assert_eq!(made("item", &text("sku"), &skus), [json!({"sku": "AX-11"})]);
        let schema = json!({"required": ["lookup"], "properties": {"lookup": {
        "type": "object", "required": ["by", "value"], "properties": {
            "by": {"enum": ["id"]},
            "value": {"type": "string", "pattern": "^tkt_[0-9A-Z]{6}$"},
        }}}});
        let tickets = [
            known("subject", json!("Skates 77"), "list_tickets"),
            known("id", json!("tkt_01HZX3"), "list_tickets"),
        ];
        assert_eq!(
            made("ticket", &schema, &tickets),
            [json!({"lookup": {"by": "id", "value": "tkt_01HZX3"}})]
        );
        assert_eq!(
            made(
                "greet",
                &text("name"),
                &[known("status", json!("open"), "x")]
            ),
            [json!({"name": "open"})]
        );
    }
}
