//! A schema in words: what an argument should have been. Everything said here is published in
//! `tools/list` anyway; the value that was sent is never looked at.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::close::reference;

/// Longer lists of choices are not spelled out.
const MOST_CHOICES: usize = 20;

/// Completes "expected …" for a schema within `root`.
pub(in crate::tool) fn expectation(schema: &Value, root: &Value) -> String {
    in_words(schema, root, 0)
}

fn in_words(schema: &Value, root: &Value, depth: usize) -> String {
    let Value::Object(schema) = schema else {
        return "a value of another form".to_owned();
    };
    if depth > 8 {
        return "a value of the documented form".to_owned();
    }
    if let Some(target) = reference(schema).and_then(|name| root.get("$defs")?.get(name)) {
        return in_words(target, root, depth + 1);
    }
    if let Some(value) = schema.get("const") {
        return format!("`{}`", plain(value));
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return choices(values.iter().map(plain));
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(Value::Array(branches)) = schema.get(keyword) {
            let constants: Option<Vec<_>> = branches
                .iter()
                .map(|branch| branch.get("const").map(plain))
                .collect();
            return match constants {
                Some(constants) => choices(constants.into_iter()),
                None => {
                    let mut words: Vec<_> = branches
                        .iter()
                        .map(|branch| in_words(branch, root, depth + 1))
                        .collect();
                    words.dedup();
                    words.join(" or ")
                }
            };
        }
    }
    if let Some(Value::Array(all)) = schema.get("allOf")
        && let [only] = all.as_slice()
    {
        return in_words(only, root, depth + 1);
    }
    match schema.get("type") {
        Some(Value::String(name)) => typed(name, schema),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| typed(name, schema))
            .collect::<Vec<_>>()
            .join(" or "),
        _ => "a value of the documented form".to_owned(),
    }
}

fn typed(name: &str, schema: &Map<String, Value>) -> String {
    let number = |keyword: &str| schema.get(keyword).filter(|it| it.is_number());
    let between = |least: Option<&Value>, most: Option<&Value>| match (least, most) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" of at least {least}"),
        (None, Some(most)) => format!(" of at most {most}"),
        (None, None) => String::new(),
    };
    let sized = |least: &str, most: &str, unit: &str| {
        let limits = between(number(least), number(most));
        if limits.is_empty() {
            limits
        } else {
            format!("{limits} {unit}")
        }
    };
    match name {
        "integer" => format!(
            "an integer{}",
            between(number("minimum"), number("maximum"))
        ),
        "number" => format!("a number{}", between(number("minimum"), number("maximum"))),
        "string" => {
            let mut words = "a string".to_owned();
            if let Some(format) = schema.get("format").and_then(Value::as_str) {
                words.push_str(&format!(" in the format `{format}`"));
            }
            words.push_str(&sized("minLength", "maxLength", "characters"));
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
                words.push_str(&format!(" that matches `{pattern}`"));
            }
            words
        }
        "array" => format!("a list{}", sized("minItems", "maxItems", "items")),
        "object" => format!(
            "an object{}",
            sized("minProperties", "maxProperties", "entries")
        ),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        _ => "a value of the documented form".to_owned(),
    }
}

/// A list of choices in words.
pub(in crate::tool) fn choices(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    if values.is_empty() || values.len() > MOST_CHOICES {
        return "one of the listed values".to_owned();
    }
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    format!("one of {}", quoted.join(", "))
}

/// A constant of the schema without quotation marks.
pub(in crate::tool) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every property name in a schema: what may be repeated in a message. Other keys in a path come
/// from the client.
pub(in crate::tool) fn property_names(schema: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(schema, &mut names);
    names
}

fn collect(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                if key == "properties"
                    && let Value::Object(properties) = value
                {
                    names.extend(properties.keys().cloned());
                    properties.values().for_each(|it| collect(it, names));
                } else {
                    collect(value, names);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|it| collect(it, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_in_words() {
        let root = json!({"$defs": {"Order": {"oneOf": [{"const": "up"}, {"const": "down"}]}}});
        for (schema, words) in [
            (
                json!({"type": "integer", "minimum": 1, "maximum": 100}),
                "an integer from 1 to 100",
            ),
            (
                json!({"type": "integer", "minimum": 0, "format": "uint64"}),
                "an integer of at least 0",
            ),
            (
                json!({"type": ["string", "null"], "maxLength": 5}),
                "a string of at most 5 characters or null",
            ),
            (
                json!({"type": "string", "format": "uuid"}),
                "a string in the format `uuid`",
            ),
            (
                json!({"type": "string", "pattern": "^a$"}),
                "a string that matches `^a$`",
            ),
            (
                json!({"type": "array", "minItems": 1, "maxItems": 3}),
                "a list from 1 to 3 items",
            ),
            (json!({"enum": ["a", 1]}), "one of `a`, `1`"),
            (json!({"$ref": "#/$defs/Order"}), "one of `up`, `down`"),
            (
                json!({"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]}),
                "one of `up`, `down` or null",
            ),
            (json!({"type": "boolean"}), "true or false"),
        ] {
            assert_eq!(expectation(&schema, &root), words);
        }
    }
}
