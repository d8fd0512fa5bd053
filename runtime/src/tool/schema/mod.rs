//! The JSON schemas of a tool: what it accepts, closed at every depth, and what it returns.
//!
//! Invariant: an input schema that leaves this module accepts no property that it does not name,
//! except where the type itself has free keys.

mod close;
mod expect;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

pub(crate) use close::close;
pub(super) use expect::{choices, expectation, plain, property_names};

use super::argument::AnyArgument;

/// The property that holds a result which is no JSON object by itself.
pub(super) const RESULT: &str = "result";

/// The input schema of a tool with these arguments.
pub(super) fn input(arguments: &[AnyArgument]) -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for argument in arguments {
        let mut schema = object((argument.schema)(&mut generator).to_value());
        if let Some(description) = argument.description {
            schema.insert("description".into(), description.into());
        }
        schema.extend(argument.keywords.clone());
        if let Some(default) = &argument.default {
            schema.insert("default".into(), default.clone());
        }
        properties.insert(argument.name.to_owned(), Value::Object(schema));
        if !argument.is_optional() {
            required.push(Value::from(argument.name));
        }
    }
    let mut root = Map::new();
    root.insert("type".into(), "object".into());
    root.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        root.insert("required".into(), Value::Array(required));
    }
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        root.insert("$defs".into(), Value::Object(definitions));
    }
    close(root)
}

/// The input schema of a tool whose arguments are the fields of one type.
pub(super) fn whole(all: &AnyArgument) -> Result<Map<String, Value>, String> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let schema = object((all.schema)(&mut generator).to_value());
    let definitions = generator.take_definitions(true);
    // A named type is a reference to its definition; the root is the definition itself.
    let named = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|target| definitions.get(target.strip_prefix("#/$defs/")?));
    let mut root = match named {
        Some(definition) => object(definition.clone()),
        None => schema,
    };
    for noise in ["$schema", "title", "description"] {
        root.remove(noise);
    }
    if root.get("type").and_then(Value::as_str) != Some("object") {
        return Err("its `Parameters` are no struct with named fields".to_owned());
    }
    if !definitions.is_empty() {
        root.insert("$defs".into(), Value::Object(definitions));
    }
    Ok(close(root))
}

/// The output schema of a type, and whether its value must be wrapped as `{"result": …}`:
/// structured content is a JSON object. `None` for the unit type, which says nothing.
pub(super) fn output<T: JsonSchema>() -> Option<(Map<String, Value>, bool)> {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut schema = object(generator.into_root_schema_for::<T>().to_value());
    for noise in ["$schema", "title", "description"] {
        schema.remove(noise);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("null") => None,
        Some("object") => Some((schema, false)),
        _ => Some((wrapped(schema), true)),
    }
}

fn wrapped(mut schema: Map<String, Value>) -> Map<String, Value> {
    // References inside say `#/$defs/…`, so the definitions stay at the root.
    let definitions = schema.remove("$defs");
    let mut properties = Map::new();
    properties.insert(RESULT.into(), Value::Object(schema));
    let mut root = Map::new();
    root.insert("type".into(), "object".into());
    root.insert("properties".into(), Value::Object(properties));
    root.insert("required".into(), Value::Array(vec![RESULT.into()]));
    if let Some(definitions) = definitions {
        root.insert("$defs".into(), definitions);
    }
    root
}

/// A schema as an object; `true` is the same as `{}`.
fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(schema) => schema,
        Value::Bool(false) => Map::from_iter([("not".to_owned(), Value::Object(Map::new()))]),
        _ => Map::new(),
    }
}
