//! What a record keeps of a call's arguments.
//!
//! Invariant: no value is in what the default policy keeps, and nothing grows without bound.

use serde_json::{Map, Value};

use super::options::AuditArguments;

/// Names that are kept, and letters of each: both come from the client.
const MOST_NAMES: usize = 32;
const LONGEST_NAME: usize = 64;
/// Longer arguments are kept redacted, bytes of JSON.
const LONGEST: usize = 16 * 1024;

/// These arguments by this policy.
pub(crate) fn kept(policy: AuditArguments, arguments: &Map<String, Value>) -> Option<Value> {
    let names = arguments.keys().take(MOST_NAMES);
    match policy {
        AuditArguments::None => None,
        AuditArguments::Names => Some(names.map(|name| shortened(name)).collect()),
        AuditArguments::Redacted => Some(redacted(arguments)),
        AuditArguments::Full => {
            let whole = Value::Object(arguments.clone());
            match whole.to_string().len() <= LONGEST {
                true => Some(whole),
                false => Some(redacted(arguments)),
            }
        }
    }
}

fn redacted(arguments: &Map<String, Value>) -> Value {
    let kinds = arguments.iter().take(MOST_NAMES);
    let kinds = kinds.map(|(name, value)| (shortened(name), kind(value).into()));
    Value::Object(kinds.collect())
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(text) => format!("string of {}", text.chars().count()),
        Value::Array(items) => format!("array of {}", items.len()),
        Value::Object(members) => format!("object of {}", members.len()),
    }
}

/// At most so many letters.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keep(policy: AuditArguments, arguments: Value) -> Value {
        kept(policy, arguments.as_object().unwrap()).unwrap_or_default()
    }

    #[test]
    fn each_policy_keeps_what_it_says() {
        let arguments =
            json!({"q": "secret", "n": 7, "ids": [1, 2], "deep": {"a": "secret"}, "no": null});
        let names = keep(AuditArguments::default(), arguments.clone());
        assert_eq!(names, json!(["q", "n", "ids", "deep", "no"]));
        assert_eq!(keep(AuditArguments::None, arguments.clone()), Value::Null);
        assert_eq!(
            keep(AuditArguments::Redacted, arguments.clone()),
            json!({"q": "string of 6", "n": "number", "ids": "array of 2", "deep": "object of 1", "no": "null"})
        );
        assert_eq!(keep(AuditArguments::Full, arguments.clone()), arguments);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let long = json!({"q": "x".repeat(LONGEST)});
        assert_eq!(
            keep(AuditArguments::Full, long),
            json!({"q": format!("string of {LONGEST}")})
        );
        let many: Map<_, _> = (0..99)
            .map(|n| (format!("{n}{}", "y".repeat(99)), n.into()))
            .collect();
        let kept = kept(AuditArguments::Names, &many).unwrap();
        let names = kept.as_array().unwrap();
        assert_eq!(names.len(), MOST_NAMES);
        assert!(
            names
                .iter()
                .all(|name| name.as_str().unwrap().len() == LONGEST_NAME)
        );
    }
}
