//! Arguments against the published schema, before anything else sees them.
//!
//! Invariant: what is said about a refusal comes from the schema alone; neither a value nor a key
//! that the client sent is repeated.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError};
use serde_json::{Map, Value};
use watertight_analysis::words::{Extra, Tier, classify};

use super::alternative::{self, Meant};
use super::schema::{choices, expectation, property_names};

/// At most this many faults of one call are described.
const MOST_FAULTS: usize = 3;
/// At most this many names of known arguments are listed.
const MOST_NAMES: usize = 30;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Validator {
    schema: Value,
    compiled: jsonschema::Validator,
    /// What may be repeated of a path.
    names: BTreeSet<String>,
}

/// Why arguments were refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// For the client.
    pub(crate) text: String,
    /// An argument that the schema does not know is named like a tenant: no honest client that
    /// read the schema sends it.
    pub(crate) probe: bool,
}

impl Validator {
    /// Compiles a schema. The error is the developer's to read.
    pub(crate) fn new(schema: &Map<String, Value>) -> Result<Self, String> {
        let schema = Value::Object(schema.clone());
        let compiled = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            names: property_names(&schema),
            schema,
            compiled,
        })
    }

    /// Checks the arguments of a call. `extra` says what else names a tenant here.
    pub(crate) fn check(
        &self,
        arguments: &Map<String, Value>,
        extra: impl FnOnce() -> Extra,
    ) -> Result<(), Refusal> {
        let arguments = Value::Object(arguments.clone());
        if self.compiled.is_valid(&arguments) {
            return Ok(());
        }
        let mut texts = Vec::new();
        for error in self.compiled.iter_errors(&arguments) {
            let text = self.describe(&error);
            if !texts.contains(&text) {
                texts.push(text);
            }
            if texts.len() == MOST_FAULTS {
                break;
            }
        }
        Err(Refusal {
            text: texts.join("; "),
            probe: self.names_a_tenant(&arguments, &extra()),
        })
    }

    /// Whether a key that no part of the schema knows names a tenant.
    fn names_a_tenant(&self, value: &Value, extra: &Extra) -> bool {
        match value {
            Value::Object(object) => object.iter().any(|(key, value)| {
                let foreign = !self.names.contains(key)
                    && classify(key, extra).is_some_and(|found| found.tier == Tier::First);
                foreign || self.names_a_tenant(value, extra)
            }),
            Value::Array(list) => list.iter().any(|it| self.names_a_tenant(it, extra)),
            _ => false,
        }
    }

    fn describe(&self, error: &ValidationError<'_>) -> String {
        let path = self.path(error.instance_path().as_str());
        match error.kind() {
            ValidationErrorKind::AnyOf { context }
            | ValidationErrorKind::OneOfNotValid { context } => {
                match alternative::meant(context, error.instance_path().as_str()) {
                    Some(Meant::Branch(inner)) => self.describe(inner),
                    Some(Meant::Tag(at, tags)) => {
                        let path = self.path(at).unwrap_or_default();
                        format!("`{path}`: expected {}", choices(tags.into_iter()))
                    }
                    None => self.expected(error, path),
                }
            }
            ValidationErrorKind::AdditionalProperties { .. }
            | ValidationErrorKind::UnevaluatedProperties { .. }
            | ValidationErrorKind::FalseSchema => match path {
                None => format!("unknown argument; {}", self.known()),
                Some(path) => format!("`{path}`: unknown entry"),
            },
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let path = match path {
                    None => name.to_owned(),
                    Some(path) => format!("{path}.{name}"),
                };
                let parent = self.parent(error.schema_path().as_str());
                let wanted = parent
                    .and_then(|parent| parent.get("properties")?.get(name))
                    .map(|schema| expectation(schema, &self.schema));
                match wanted {
                    Some(wanted) => format!("`{path}`: missing, expected {wanted}"),
                    None => format!("`{path}`: missing"),
                }
            }
            _ => self.expected(error, path),
        }
    }

    /// What the schema at the failed keyword says in words.
    fn expected(&self, error: &ValidationError<'_>, path: Option<String>) -> String {
        let wanted = self.parent(error.schema_path().as_str()).map_or_else(
            || "a value of the documented form".to_owned(),
            |schema| expectation(schema, &self.schema),
        );
        match path {
            None => format!("expected {wanted}"),
            Some(path) => format!("`{path}`: expected {wanted}"),
        }
    }

    /// The schema that holds the keyword at a JSON pointer.
    fn parent(&self, keyword: &str) -> Option<&Value> {
        let (parent, _) = keyword.rsplit_once('/')?;
        self.schema.pointer(parent)
    }

    /// A JSON pointer into the arguments as people write it; `None` for the arguments as a whole.
    fn path(&self, pointer: &str) -> Option<String> {
        let mut path = String::new();
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment.bytes().all(|byte| byte.is_ascii_digit()) {
                path.push_str(&format!("[{segment}]"));
                continue;
            }
            if !path.is_empty() {
                path.push('.');
            }
            // A key that the schema does not name is the client's own text.
            path.push_str(if self.names.contains(&segment) {
                &segment
            } else {
                "*"
            });
        }
        (!path.is_empty()).then_some(path)
    }

    fn known(&self) -> String {
        let names: Vec<String> = self
            .schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|properties| properties.keys())
            .map(|name| format!("`{name}`"))
            .collect();
        match names.len() {
            0 => "the tool takes none".to_owned(),
            1..=MOST_NAMES => format!("the tool takes {}", names.join(", ")),
            _ => "see the tool's schema".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(arguments: Value) -> Refusal {
        let schema = json!({
            "type": "object",
            "properties": {
                "plan": {"type": "string", "minLength": 1, "maxLength": 9},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100},
                "filter": {"$ref": "#/$defs/Filter"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "maybe": {"anyOf": [{"$ref": "#/$defs/Filter"}, {"type": "null"}]},
                "change": {"oneOf": [
                    {"type": "object", "properties": {"kind": {"type": "string", "const": "close"}},
                     "required": ["kind"], "additionalProperties": false},
                    {"type": "object", "properties": {"kind": {"type": "string", "const": "rename"},
                                                      "to": {"type": "string"}},
                     "required": ["kind", "to"], "additionalProperties": false},
                ]},
                "order": {"oneOf": [
                    {"type": "string", "const": "name"},
                    {"type": "object", "properties": {"By": {"type": "object",
                        "properties": {"field": {"type": "string"}}, "required": ["field"],
                        "additionalProperties": false}},
                     "required": ["By"], "additionalProperties": false},
                ]},
                "id": {"anyOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}]},
            },
            "required": ["plan"],
            "additionalProperties": false,
            "$defs": {"Filter": {
                "type": "object",
                "properties": {"states": {"type": "array", "items": {"enum": ["open", "closed"]}}},
                "required": ["states"],
                "additionalProperties": false,
            }},
        });
        let validator = Validator::new(schema.as_object().unwrap()).unwrap();
        let extra = Extra::from_config(&watertight_analysis::Config::default());
        validator
            .check(arguments.as_object().unwrap(), || extra)
            .unwrap_err()
    }

    #[test]
    fn refusals_name_the_argument_and_what_was_expected() {
        for (arguments, text) in [
            (
                json!({}),
                "`plan`: missing, expected a string from 1 to 9 characters",
            ),
            (
                json!({"plan": 7}),
                "`plan`: expected a string from 1 to 9 characters",
            ),
            (
                json!({"plan": "p", "limit": 0}),
                "`limit`: expected an integer from 1 to 100",
            ),
            (
                json!({"plan": "p", "secret": 1}),
                "unknown argument; the tool takes `plan`, `limit`, `filter`, `labels`, `maybe`, `change`, \
                 `order`, `id`",
            ),
            (
                json!({"plan": "p", "maybe": {}}),
                "`maybe.states`: missing, expected a list",
            ),
            (
                json!({"plan": "p", "maybe": 7}),
                "`maybe`: expected an object or null",
            ),
            (
                json!({"plan": "p", "change": {"kind": "rename"}}),
                "`change.to`: missing, expected a string",
            ),
            (
                json!({"plan": "p", "change": {"kind": "rename", "to": 7}}),
                "`change.to`: expected a string",
            ),
            (
                json!({"plan": "p", "change": {"kind": "secret"}}),
                "`change.kind`: expected one of `close`, `rename`",
            ),
            (
                json!({"plan": "p", "order": {"By": {}}}),
                "`order.By.field`: missing, expected a string",
            ),
            (
                json!({"plan": "p", "id": "secret"}),
                "`id`: expected a string in the format `uuid`",
            ),
            (
                json!({"plan": "p", "id": []}),
                "`id`: expected an integer or a string in the format `uuid`",
            ),
            (
                json!({"plan": "p", "filter": {}}),
                "`filter.states`: missing, expected a list",
            ),
            (
                json!({"plan": "p", "filter": {"states": ["open", "x"]}}),
                "`filter.states[1]`: expected one of `open`, `closed`",
            ),
            (
                json!({"plan": "p", "filter": {"states": [], "secret": 1}}),
                "`filter`: unknown entry",
            ),
            (
                json!({"plan": "p", "labels": {"secret": 1}}),
                "`labels.*`: expected a string",
            ),
        ] {
            assert_eq!(refusal(arguments).text, text);
        }
    }

    #[test]
    fn nothing_that_was_sent_is_repeated() {
        let text = refusal(json!({
            "plan": "canary canary canary", "limit": 4711, "canary": 1, "labels": {"canary": ["canary"]}
        }))
        .text;
        assert!(!text.contains("canary") && !text.contains("4711"), "{text}");
    }

    #[test]
    fn a_tenant_among_unknown_arguments_is_a_probe() {
        assert!(refusal(json!({"plan": "p", "tenant_id": 1})).probe);
        assert!(refusal(json!({"plan": "p", "filter": {"states": [], "orgId": 1}})).probe);
        assert!(!refusal(json!({"plan": "p", "colour": 1})).probe);
        assert!(
            !refusal(json!({"plan": "p", "account": 1})).probe,
            "not sure enough"
        );
    }

    #[test]
    fn a_tenant_is_answered_like_any_unknown_argument() {
        for (probe, other) in [
            (
                json!({"plan": "p", "tenant_id": 1}),
                json!({"plan": "p", "colour": 1}),
            ),
            (
                json!({"plan": "p", "filter": {"states": [], "org": 1}}),
                json!({"plan": "p", "filter": {"states": [], "colour": 1}}),
            ),
            (
                json!({"plan": "p", "change": {"kind": "close", "org": 1}}),
                json!({"plan": "p", "change": {"kind": "close", "colour": 1}}),
            ),
        ] {
            assert_eq!(refusal(probe).text, refusal(other).text);
        }
    }
}
