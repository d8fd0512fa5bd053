//! Arguments for a stranger's tool, from its schema alone.
//!
//! Invariant: what is made up is small and harmless, and a value that only looks right is never taken
//! for an id: an argument that needs one and gets none is told.

use serde_json::{Map, Value, json};

use super::pattern;

/// How deep a schema is followed.
const DEEPEST: usize = 8;
/// How many properties of one schema are looked at.
const MOST_SLOTS: usize = 200;
/// How many values of one enumeration are tried.
const CHOICES: usize = 6;

/// Says what goes into an argument: by its path, and its schema. The rest is made up.
pub(super) type Fill<'a> = &'a dyn Fn(&[String], &Value) -> Option<Value>;

/// Arguments that nobody's data is in; the name of the one that can't be made up otherwise.
pub(crate) fn neutral(schema: &Value) -> Result<Value, String> {
    build(schema, &[], &|_, _| None)
}

/// Arguments for a tool whose ids are known from nowhere: what it answers about what is not there.
/// Numbers are tried from the first on, as rows are numbered so.
pub(crate) fn made_up(schema: &Value) -> Vec<Value> {
    let with = |number: i64| {
        build(schema, &[], &|path, schema| {
            if of(path, schema, schema, &|_, _| None).is_ok() {
                return None;
            }
            let name = path.last().map(|it| it.to_lowercase()).unwrap_or_default();
            let is = |key: &str, wanted: &str| schema.get(key).is_some_and(|it| it == wanted);
            Some(if is("type", "integer") || is("type", "number") {
                json!(number)
            } else if name.ends_with("uuid") || is("format", "uuid") {
                json!("00000000-0000-4000-8000-000000000001")
            } else {
                let pattern = schema.get("pattern").and_then(Value::as_str);
                json!(
                    pattern
                        .and_then(pattern::sample)
                        .unwrap_or_else(|| "none-0001".to_owned())
                )
            })
        })
    };
    let mut all: Vec<Value> = Vec::new();
    for made in [1, 2, 1_987_654_321].map(with).into_iter().flatten() {
        if !all.contains(&made) {
            all.push(made);
        }
    }
    all
}

/// The neutral arguments with one choice made otherwise: another value of an enumeration, a switch
/// turned. What a default leaves out may be what leaks.
pub(crate) fn variations(schema: &Value, neutral: &Value, most: usize) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for (path, inner) in slots(schema) {
        let pointer: String = path.iter().map(|it| format!("/{}", pointer(it))).collect();
        let now = neutral.pointer(&pointer);
        let mut choices: Vec<Value> = match inner.get("enum").and_then(Value::as_array) {
            Some(list) => list.iter().take(CHOICES).cloned().collect(),
            None if inner.get("type").is_some_and(|it| it == "boolean") => {
                vec![json!(true), json!(false)]
            }
            None => alternatives(inner),
        };
        choices.retain(|it| Some(it) != now && inner.get("default") != Some(it));
        for choice in choices {
            let made = build(schema, &path, &|at, _| {
                (at == path.as_slice()).then(|| choice.clone())
            });
            if let Ok(made) = made
                && made != *neutral
                && !all.contains(&made)
            {
                all.push(made);
            }
        }
    }
    all.truncate(most);
    all
}

/// The constants of `anyOf` and `oneOf`.
fn alternatives(schema: &Value) -> Vec<Value> {
    let lists = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|it| schema.get(*it)?.as_array());
    let each = lists.flatten().take(CHOICES);
    each.filter_map(|it| it.get("const").cloned()).collect()
}

/// Every scalar argument that a caller may give, with its path.
pub(super) fn slots(schema: &Value) -> Vec<(Vec<String>, &Value)> {
    let (mut found, mut left) = (Vec::new(), MOST_SLOTS);
    walk(schema, schema, &mut Vec::new(), &mut found, &mut left);
    found
}

fn walk<'a>(
    schema: &'a Value,
    root: &'a Value,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, &'a Value)>,
    left: &mut usize,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    if path.len() > 3 {
        return;
    }
    for (name, inner) in properties.into_iter().flatten() {
        // A schema of objects in objects has no end to speak of.
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => return,
        }
        path.push(name.clone());
        let constants = ["anyOf", "oneOf"].iter().any(|it| {
            let list = inner.get(*it).and_then(Value::as_array);
            list.is_some_and(|list| {
                list.len() > 1 && list.iter().all(|it| it.get("const").is_some())
            })
        });
        let inner = if constants {
            inner
        } else {
            follow(inner, root)
        };
        let list = inner.get("type").is_some_and(|it| it == "array");
        match inner.get("items").filter(|_| list) {
            Some(items) => {
                let items = follow(items, root);
                path.push("0".to_owned());
                if items.get("properties").is_some() {
                    walk(items, root, path, found, left);
                } else {
                    found.push((path.clone(), items));
                }
                path.pop();
            }
            None if inner.get("properties").is_some() => walk(inner, root, path, found, left),
            None => found.push((path.clone(), inner)),
        }
        path.pop();
    }
}

/// The required arguments, and those on the way to `target`.
pub(super) fn build(schema: &Value, target: &[String], fill: Fill<'_>) -> Result<Value, String> {
    object(schema, schema, &mut Vec::new(), target, fill)
}

pub(super) fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn object(
    schema: &Value,
    root: &Value,
    path: &mut Vec<String>,
    target: &[String],
    fill: Fill<'_>,
) -> Result<Value, String> {
    if path.len() > DEEPEST {
        return Err("an object that nests too deep".to_owned());
    }
    let list = schema.get("required").and_then(Value::as_array);
    let required = list.into_iter().flatten().filter_map(Value::as_str);
    let next = target
        .strip_prefix(path.as_slice())
        .and_then(<[String]>::first);
    let mut made = Map::new();
    for name in required.chain(next.map(String::as_str)) {
        if made.contains_key(name) {
            continue;
        }
        let inner = schema.pointer(&format!("/properties/{}", pointer(name)));
        let inner = inner.map(|it| follow(it, root)).unwrap_or(&Value::Null);
        path.push(name.to_owned());
        let value = one(inner, root, path, target, fill);
        path.pop();
        made.insert(name.to_owned(), value?);
    }
    Ok(Value::Object(made))
}

fn one(
    schema: &Value,
    root: &Value,
    path: &mut Vec<String>,
    target: &[String],
    fill: Fill<'_>,
) -> Result<Value, String> {
    if let Some(value) = fill(path, schema) {
        return Ok(value);
    }
    let ahead = target.len() > path.len() && target.starts_with(path);
    let list = schema.get("type").is_some_and(|it| it == "array");
    if list {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let inner = schema.get("items").map(|it| follow(it, root));
        let mut made = Vec::new();
        for at in 0..least.clamp(u64::from(ahead), 4) {
            path.push(at.to_string());
            let value = one(inner.unwrap_or(&Value::Null), root, path, target, fill);
            path.pop();
            made.push(value?);
        }
        return Ok(Value::Array(made));
    }
    let given = ["const", "default"]
        .iter()
        .any(|it| schema.get(*it).is_some_and(|it| !it.is_null()));
    if schema.get("properties").is_some() && (ahead || !given) {
        return object(schema, root, path, target, fill);
    }
    of(path, schema, root, fill)
}

/// Follows references and alternatives to what can be made.
pub(super) fn follow<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
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
fn of(path: &[String], schema: &Value, root: &Value, fill: Fill<'_>) -> Result<Value, String> {
    let name = path.iter().rev().find(|it| it.parse::<usize>().is_err());
    let name = name.map(String::as_str).unwrap_or_default();
    let first = |key: &str| schema.get(key).and_then(|it| it.as_array()?.first());
    let given = schema
        .get("const")
        .or_else(|| schema.get("default").filter(|it| !it.is_null()))
        .or_else(|| first("examples"))
        .or_else(|| first("enum"));
    if let Some(given) = given {
        return Ok(given.clone());
    }
    if super::known::is_id(name, schema) {
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
            let step = bound("multipleOf").filter(|it| *it >= 1.0).unwrap_or(1.0);
            let made = least.unwrap_or_else(|| most.min(step)).ceil();
            #[allow(clippy::cast_possible_truncation)]
            let made = ((made / step).ceil() * step) as i64;
            json!(made)
        }
        "number" => json!(bound("minimum").unwrap_or(1.0)),
        "null" => Value::Null,
        "array" => json!([]),
        "object" => object(schema, root, &mut path.to_vec(), &[], fill)?,
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date") => json!("2026-01-01"),
            Some("date-time") => json!("2026-01-01T00:00:00Z"),
            Some("time") => json!("12:00:00Z"),
            // No server of ours or of others is meant to fetch it.
            Some("uri" | "url") => json!("https://example.invalid/"),
            Some("email") => json!("nobody@example.invalid"),
            _ => match schema.get("pattern").and_then(Value::as_str) {
                Some(pattern) => json!(pattern::sample(pattern).ok_or_else(|| name.to_owned())?),
                None => {
                    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
                    json!("a".repeat(usize::try_from(least.clamp(1, 64)).unwrap_or(1)))
                }
            },
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
    fn what_does_not_exist_has_the_same_form() {
        let uuid = unlike(&json!("7f2c1de0-3a5b-4c8d-9e1f-00000000000a"));
        assert!(is_uuid(uuid.as_str().unwrap()));
        assert_eq!(unlike(&json!("ACM-C000123")), json!("ACM-C777890"));
        assert_eq!(
            unlike(&json!("amy@acme.example")),
            json!("btl@acme.example")
        );
    }

    #[test]
    fn nested_patterns_and_choices() {
        let schema = json!({
            "required": ["region", "filter"],
            "properties": {
                "region": {"type": "string", "pattern": "^[A-Z]{2}-\\d{2}$"},
                "filter": {"$ref": "#/$defs/F"},
                "limit": {"type": "integer", "minimum": 7, "multipleOf": 5},
                "all": {"type": "boolean", "default": false},
                "kinds": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1},
            },
            "$defs": {"F": {"type": "object", "required": ["status", "from"], "properties": {
                "status": {"enum": ["posted", "draft"]}, "from": {"type": "string", "format": "date"},
            }}},
        });
        let made = neutral(&schema).unwrap();
        let filter = json!({"status": "posted", "from": "2026-01-01"});
        assert_eq!(made, json!({"region": "AA-11", "filter": filter}));
        let all: Vec<String> = variations(&schema, &made, 9)
            .iter()
            .map(Value::to_string)
            .collect();
        let all = all.join("\n");
        for wanted in ["\"all\":true", "\"kinds\":[\"b\"]", "\"status\":\"draft\""] {
            assert!(all.contains(wanted), "{wanted}: {all}");
        }
    }

    #[test]
    fn objects_in_objects_have_an_end() {
        let names: Vec<String> = (0..1000).map(|at| format!("p{at}")).collect();
        let inner: Map<String, Value> = names
            .iter()
            .map(|it| (it.clone(), json!({ "$ref": "#" })))
            .collect();
        let schema = json!({ "properties": inner, "required": names });
        assert!(slots(&schema).is_empty());
        assert!(neutral(&schema).is_err());
    }

    #[test]
    fn ids_are_made_up_only_to_ask_for_what_is_not_there() {
        let schema =
            json!({"required": ["note_id"], "properties": {"note_id": {"type": "string"}}});
        assert_eq!(made_up(&schema), [json!({"note_id": "none-0001"})]);
        let schema = json!({"required": ["id"], "properties": {"id": {"type": "integer"}}});
        let ids: Vec<i64> = made_up(&schema)
            .iter()
            .filter_map(|it| it["id"].as_i64())
            .collect();
        assert_eq!(ids, [1, 2, 1_987_654_321]);
    }
}
