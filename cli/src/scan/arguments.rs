//! Arguments for a stranger's tool: from its schema alone, and from what other answers held.
//!
//! Invariant: what is made up is small and harmless, and a value that only looks right is never taken
//! for an id: an argument that needs one and gets none is told.

use serde_json::{Map, Value, json};
use watertight_analysis::words::{Extra, Tier, classify};

use super::atoms::Named;

/// How deep a schema is followed.
const DEEPEST: usize = 8;

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
    /// The argument that was filled, and the value.
    pub(crate) with: Option<(String, Value)>,
    /// Whether the value was the id of a row rather than of something that the row refers to.
    pub(crate) own_row: bool,
}

/// Arguments that nobody's data is in; the name of the one that can't be made up otherwise.
pub(crate) fn neutral(schema: &Value) -> Result<Value, String> {
    object(schema, schema, 0)
}

/// Arguments with a value of the identity's own for each argument that takes one, one at a time.
pub(crate) fn filled(
    name: &str,
    schema: &Value,
    known: &[Known],
    marks: &[(String, String)],
    extra: &Extra,
    most: usize,
) -> Vec<Filled> {
    let nouns = words(name);
    let mut all = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (argument, inner) in properties.into_iter().flatten() {
        let inner = follow(inner, schema);
        if !takes_own(argument, inner, extra) {
            continue;
        }
        for (value, own_row) in candidates(argument, inner, &nouns, known, marks, extra)
            .into_iter()
            .take(most)
        {
            if let Some(arguments) = with(schema, argument, &value, known, &nouns, marks, extra) {
                all.push(Filled {
                    arguments,
                    with: Some((argument.clone(), value)),
                    own_row,
                });
            }
        }
    }
    all
}

/// The schema's required arguments, one of them given, the other ids from what is known.
fn with(
    schema: &Value,
    argument: &str,
    value: &Value,
    known: &[Known],
    nouns: &[String],
    marks: &[(String, String)],
    extra: &Extra,
) -> Option<Value> {
    let mut arguments = Map::new();
    for name in required(schema) {
        let inner = schema.pointer(&format!("/properties/{}", pointer(name)))?;
        let inner = follow(inner, schema);
        let made = if name == argument {
            value.clone()
        } else if takes_own(name, inner, extra) {
            let mut found = candidates(name, inner, nouns, known, marks, extra).into_iter();
            match found.next() {
                Some((value, _)) => value,
                None => of(name, inner, schema, 0).ok()?,
            }
        } else {
            of(name, inner, schema, 0).ok()?
        };
        arguments.insert(name.to_owned(), made);
    }
    arguments.insert(argument.to_owned(), value.clone());
    Some(Value::Object(arguments))
}

fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn required(schema: &Value) -> Vec<&str> {
    let list = schema.get("required").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn object(schema: &Value, root: &Value, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("an object that nests too deep".to_owned());
    }
    let mut made = Map::new();
    for name in required(schema) {
        let inner = schema.pointer(&format!("/properties/{}", pointer(name)));
        let inner = inner.map(|it| follow(it, root)).unwrap_or(&Value::Null);
        made.insert(name.to_owned(), of(name, inner, root, depth)?);
    }
    Ok(Value::Object(made))
}

/// Follows references and alternatives to what can be made.
fn follow<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEEPEST {
        let target = schema.get("$ref").and_then(Value::as_str);
        let next = match target {
            Some(target) => target.strip_prefix('#').and_then(|it| root.pointer(it)),
            None => ["anyOf", "oneOf", "allOf"].iter().find_map(|keyword| {
                let list = schema.get(*keyword)?.as_array()?;
                list.iter()
                    .find(|it| it.get("type") != Some(&Value::from("null")))
            }),
        };
        match next {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// A small harmless value.
fn of(name: &str, schema: &Value, root: &Value, depth: usize) -> Result<Value, String> {
    let first = |key: &str| schema.get(key).and_then(|it| it.as_array()?.first());
    let given = schema
        .get("const")
        .or_else(|| schema.get("default").filter(|it| !it.is_null()))
        .or_else(|| first("examples"))
        .or_else(|| first("enum"));
    if let Some(given) = given {
        return Ok(given.clone());
    }
    if is_id(name, schema) {
        return Err(name.to_owned());
    }
    let ty = match schema.get("type") {
        Some(Value::String(ty)) => ty.as_str(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .find(|it| *it != "null")
            .unwrap_or("string"),
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    Ok(match ty {
        "boolean" => json!(false),
        "integer" => {
            let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|it| it + 1.0));
            let most = bound("maximum").unwrap_or(1.0);
            #[allow(clippy::cast_possible_truncation)]
            let made = least.unwrap_or_else(|| most.min(1.0)).ceil() as i64;
            json!(made)
        }
        "number" => json!(bound("minimum").unwrap_or(1.0)),
        "null" => Value::Null,
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            let inner = schema.get("items").map(|it| follow(it, root));
            let mut list = Vec::new();
            for _ in 0..least.min(4) {
                list.push(of(name, inner.unwrap_or(&Value::Null), root, depth + 1)?);
            }
            Value::Array(list)
        }
        "object" => object(schema, root, depth + 1)?,
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date") => json!("2026-01-01"),
            Some("date-time") => json!("2026-01-01T00:00:00Z"),
            Some("time") => json!("12:00:00Z"),
            // No server of ours or of others is meant to fetch it.
            Some("uri" | "url") => json!("https://example.invalid/"),
            Some("email") => json!("nobody@example.invalid"),
            _ if schema.get("pattern").is_some() => return Err(name.to_owned()),
            _ => {
                let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
                json!("a".repeat(usize::try_from(least.clamp(1, 64)).unwrap_or(1)))
            }
        },
    })
}

/// The words that a name consists of, in the singular.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() {
            before = ' ';
            continue;
        }
        let begins = before == ' ' || (c.is_uppercase() && before.is_lowercase());
        match words.last_mut() {
            Some(word) if !begins => word.extend(c.to_lowercase()),
            _ => words.push(c.to_lowercase().collect()),
        }
        before = c;
    }
    words.into_iter().map(|it| singular(&it)).collect()
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    match word.strip_suffix('s') {
        Some(stem) if stem.len() >= 3 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
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
    "cursor",
    "token",
];
/// Words of arguments that search.
const SEARCHES: &[&str] = &[
    "query", "q", "search", "text", "term", "keyword", "filter", "name", "contain",
];
/// Words that say in which direction pages go.
const PAGES: &[&str] = &["next", "page", "after", "continuation"];

/// Whether a person wrote it: words, rather than an id or a time.
fn is_phrase(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.contains(' ')
            && text.len() <= 80
            && text.chars().filter(|c| c.is_alphabetic()).count() >= 6
    })
}

/// Words of names of tools that are about nothing in particular.
const VERBS: &[&str] = &[
    "get", "list", "read", "find", "show", "search", "fetch", "describe", "view", "all", "my",
    "by", "id", "query", "lookup", "recent", "the", "of", "and", "for", "in", "a",
];

fn is_id(name: &str, schema: &Value) -> bool {
    let words = words(name);
    words.last().is_some_and(|it| IDS.contains(&it.as_str()))
        || schema.get("format").and_then(Value::as_str) == Some("uuid")
}

fn is_search(name: &str) -> bool {
    words(name)
        .last()
        .is_some_and(|it| SEARCHES.contains(&it.as_str()))
}

/// Whether a value of an identity's own may go there.
fn takes_own(name: &str, schema: &Value, extra: &Extra) -> bool {
    let bounded = ["enum", "const"]
        .iter()
        .any(|key| schema.get(*key).is_some());
    let scalar = match schema.get("type") {
        Some(Value::String(ty)) => matches!(ty.as_str(), "string" | "integer" | "number"),
        Some(Value::Array(list)) => list.iter().any(|it| it == "string" || it == "integer"),
        _ => true,
    };
    !bounded
        && scalar
        && (is_id(name, schema)
            || is_search(name)
            || classify(name, extra).is_some_and(|it| it.tier == Tier::First))
}

/// Values of the identity's own for an argument, the best first, and whether each is a row's own id.
fn candidates(
    argument: &str,
    schema: &Value,
    nouns: &[String],
    known: &[Known],
    marks: &[(String, String)],
    extra: &Extra,
) -> Vec<(Value, bool)> {
    let mut found: Vec<(u32, Value, bool)> = Vec::new();
    let tenant = classify(argument, extra).is_some_and(|it| it.tier == Tier::First);
    if tenant {
        for (claim, text) in marks {
            if claim == "canary" || classify(claim, extra).is_some() {
                found.push((9, Value::from(text.as_str()), true));
            }
        }
    }
    let wanted = words(argument);
    let (last, subject) = match wanted.split_last() {
        Some((last, subject)) if IDS.contains(&last.as_str()) => (last.as_str(), subject),
        _ => ("", wanted.as_slice()),
    };
    let subject: Vec<&String> = subject
        .iter()
        .filter(|it| !PAGES.contains(&it.as_str()))
        .collect();
    let search = last.is_empty() && is_search(argument);
    for one in known {
        let key = words(&one.named.key);
        let parent = words(&one.named.parent);
        let own_id = matches!(key.as_slice(), [only] if IDS.contains(&only.as_str()));
        let about = |noun: &String| one.source.contains(noun) || parent.contains(noun);
        let score = if key == wanted && !subject.is_empty() {
            8
        } else if last == "cursor" || last == "token" {
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
        let names_row = own_id || handle || key.iter().any(|it| one.source.contains(it));
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
    if is("integer") {
        return text.parse::<i64>().ok().map(Value::from);
    }
    None
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A value of the same form that nothing has: what a server says of it is what it says of what does
/// not exist.
pub(crate) fn unlike(value: &Value) -> Value {
    match value {
        Value::Number(_) => json!(1_987_654_321),
        Value::String(text) if text.len() < 6 && text.bytes().all(|it| it.is_ascii_digit()) => {
            json!("1987654321")
        }
        Value::String(text) => {
            // The domain of an address stays, as the form of the whole does.
            let (body, domain) = match text.split_once('@') {
                Some((body, domain)) => (body, format!("@{domain}")),
                None => (text.as_str(), String::new()),
            };
            // The beginning stays: it often says what kind of thing it is.
            let mut left = 6;
            let mut turned: Vec<char> = body.chars().collect();
            for c in turned.iter_mut().rev() {
                if left == 0 {
                    break;
                }
                if c.is_ascii_alphanumeric() {
                    *c = turn(*c);
                    left -= 1;
                }
            }
            Value::from(turned.into_iter().collect::<String>() + &domain)
        }
        other => other.clone(),
    }
}

/// Another character of its kind; of hexadecimal letters a hexadecimal one.
fn turn(c: char) -> char {
    match c {
        '0'..='9' => char::from(b'0' + (c as u8 - b'0' + 7) % 10),
        'a'..='f' => char::from(b'a' + (c as u8 - b'a' + 1) % 6),
        'A'..='F' => char::from(b'A' + (c as u8 - b'A' + 1) % 6),
        'g'..='z' => char::from(b'g' + (c as u8 - b'g' + 7) % 20),
        'G'..='Z' => char::from(b'G' + (c as u8 - b'G' + 7) % 20),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn required_arguments_are_made_up_unless_they_are_ids() {
        let schema = json!({
            "type": "object",
            "required": ["text", "limit", "kind", "at"],
            "properties": {
                "text": {"type": "string", "minLength": 3},
                "limit": {"type": "integer", "minimum": 5},
                "kind": {"enum": ["b", "c"]},
                "at": {"$ref": "#/$defs/At"},
            },
            "$defs": {"At": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date"}]}},
        });
        let made = neutral(&schema).unwrap();
        assert_eq!(
            made,
            json!({"text": "aaa", "limit": 5, "kind": "b", "at": "2026-01-01"})
        );
        let by_id =
            json!({"required": ["ticketId"], "properties": {"ticketId": {"type": "string"}}});
        assert_eq!(neutral(&by_id), Err("ticketId".to_owned()));
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
        let made = filled("read_ticket", &schema, &pool, &[], &Extra::default(), 3);
        let made: Vec<&Value> = made.iter().map(|it| &it.arguments).collect();
        assert_eq!(made, [&json!({"ticket_id": "t-1"})]);
    }

    #[test]
    fn what_does_not_exist_has_the_same_form() {
        let uuid = unlike(&json!("7f2c1de0-3a5b-4c8d-9e1f-00000000000a"));
        assert!(is_uuid(uuid.as_str().unwrap()));
        assert_eq!(unlike(&json!("ACM-C000123")), json!("ACM-C777890"));
        assert_eq!(
            unlike(&json!("amy@acme.example")),
            json!("btl@acme.example")
        );
    }
}
