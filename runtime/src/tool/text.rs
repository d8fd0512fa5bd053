//! Texts that stand for typed values: the variables of a URI and the arguments of a prompt.
//!
//! Invariant: a text that is no value of its form stays a text, so that the closed schema refuses
//! it in its own words.

use serde_json::{Map, Value};

/// What a text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// Itself: strings, uuids, dates, words of an enum.
    Text,
    Integer,
    Number,
    Boolean,
}

/// References and alternatives within each other, before a schema is given up.
const DEPTH: usize = 16;

impl TextForm {
    /// The form that a schema accepts; `None` for objects, lists and values of any shape. Where
    /// several would do, a text is one.
    pub(super) fn of(schema: &Value, root: &Map<String, Value>) -> Option<Self> {
        let mut found = Vec::new();
        collect(schema, root, DEPTH, &mut found).then_some(())?;
        [Self::Text, Self::Integer, Self::Number, Self::Boolean]
            .into_iter()
            .find(|form| found.contains(form))
    }

    /// The value that a text stands for.
    pub(crate) fn read(self, text: &str) -> Value {
        let value = match self {
            Self::Text => None,
            // One spelling for each number, so that a URI has one spelling too.
            Self::Integer => {
                let signed = text
                    .parse::<i64>()
                    .ok()
                    .map(|it| (it.to_string(), it.into()));
                signed
                    .or_else(|| {
                        text.parse::<u64>()
                            .ok()
                            .map(|it| (it.to_string(), it.into()))
                    })
                    .filter(|(canonical, _)| canonical == text)
                    .map(|(_, value)| value)
            }
            Self::Number => text
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number),
            Self::Boolean => text.parse::<bool>().ok().map(Value::Bool),
        };
        value.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

/// Collects the forms of a schema; false if it admits what no text can be.
fn collect(
    schema: &Value,
    root: &Map<String, Value>,
    depth: usize,
    found: &mut Vec<TextForm>,
) -> bool {
    let (Some(schema), Some(depth)) = (schema.as_object(), depth.checked_sub(1)) else {
        return false;
    };
    let before = found.len();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let definition = reference
            .strip_prefix("#/$defs/")
            .and_then(|name| root.get("$defs")?.get(name));
        return definition.is_some_and(|schema| collect(schema, root, depth, found));
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        for part in schema
            .get(keyword)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !collect(part, root, depth, found) {
                return false;
            }
        }
    }
    let types = match schema.get("type") {
        Some(Value::Array(words)) => words.iter().map(Value::as_str).collect(),
        Some(word) => word.as_str().map(|word| vec![word]),
        None => Some(Vec::new()),
    };
    let Some(types) = types else {
        return false;
    };
    for word in types {
        found.push(match word {
            "string" => TextForm::Text,
            "integer" => TextForm::Integer,
            "number" => TextForm::Number,
            "boolean" => TextForm::Boolean,
            // An absent argument.
            "null" => continue,
            _ => return false,
        });
    }
    let words = schema.get("enum").and_then(Value::as_array);
    let words = words.into_iter().flatten().chain(schema.get("const"));
    for word in words {
        if word.is_string() {
            found.push(TextForm::Text);
        } else if !word.is_null() && found.len() == before {
            return false;
        }
    }
    found.len() > before || schema.get("type").is_some()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;
    use crate::tool::argument::argument;
    use crate::tool::input::ToolInput;
    use crate::tool::schema::input;

    fn form<T: ToolInput + JsonSchema>() -> Option<TextForm> {
        let root = input(&[argument::<T>("x").erase()]);
        TextForm::of(&root["properties"]["x"], &root)
    }

    #[derive(serde::Deserialize, schemars::JsonSchema, watertight_macros::ToolInput)]
    #[tool(crate = crate)]
    #[allow(dead_code)]
    enum Status {
        /// Waits for an answer.
        Open,
        Closed,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema, watertight_macros::ToolInput)]
    #[tool(crate = crate)]
    #[allow(dead_code)]
    struct Page {
        from: u32,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema, watertight_macros::ToolInput)]
    #[tool(crate = crate)]
    #[allow(dead_code)]
    struct Number(u32);

    #[test]
    fn the_schema_says_what_a_text_is_read_as() {
        assert_eq!(form::<String>(), Some(TextForm::Text));
        assert_eq!(form::<uuid::Uuid>(), Some(TextForm::Text));
        assert_eq!(form::<chrono::NaiveDate>(), Some(TextForm::Text));
        assert_eq!(form::<Option<String>>(), Some(TextForm::Text));
        assert_eq!(form::<Status>(), Some(TextForm::Text));
        assert_eq!(form::<Option<Status>>(), Some(TextForm::Text));
        assert_eq!(form::<u32>(), Some(TextForm::Integer));
        assert_eq!(form::<Option<i64>>(), Some(TextForm::Integer));
        assert_eq!(form::<Number>(), Some(TextForm::Integer));
        assert_eq!(form::<f64>(), Some(TextForm::Number));
        assert_eq!(form::<bool>(), Some(TextForm::Boolean));
        assert_eq!(form::<Vec<String>>(), None);
        assert_eq!(form::<Option<Vec<String>>>(), None);
        assert_eq!(form::<Page>(), None);
        assert_eq!(form::<(u32, u32)>(), None);
        assert_eq!(form::<()>(), None);
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(TextForm::Integer.read("7"), json!(7));
        assert_eq!(TextForm::Integer.read("-7"), json!(-7));
        assert_eq!(
            TextForm::Integer.read("18446744073709551615"),
            json!(u64::MAX)
        );
        for other in [
            "07",
            "+7",
            "-0",
            " 7",
            "7.0",
            "1e3",
            "",
            "18446744073709551616",
        ] {
            assert_eq!(TextForm::Integer.read(other), json!(other));
        }
        assert_eq!(TextForm::Number.read("1.5"), json!(1.5));
        assert_eq!(TextForm::Number.read("NaN"), json!("NaN"));
        assert_eq!(TextForm::Boolean.read("true"), json!(true));
        assert_eq!(TextForm::Boolean.read("yes"), json!("yes"));
        assert_eq!(TextForm::Text.read("7"), json!("7"));
    }
}
