//! Shuts every object of a schema against properties that it does not name.
//!
//! A plain object gets `additionalProperties: false`. Where an object is composed in place (serde's
//! `flatten`, the tag beside a `$ref`), each part would refuse the others' properties, so there the
//! whole gets `unevaluatedProperties: false` and the parts stay open. A definition that is used
//! both ways stays open, and each use of it on its own is shut at the reference.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

type Schema = Map<String, Value>;

/// Keywords whose schemas apply to the same value.
const IN_PLACE: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords with one schema each, for another value: a part of this one.
const PARTS: [&str; 5] = [
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
];
/// Keywords with several schemas by name, for parts.
const NAMED_PARTS: [&str; 2] = ["properties", "patternProperties"];

/// Closes a root schema and its definitions.
pub(crate) fn close(mut root: Schema) -> Schema {
    let definitions = match root.remove("$defs") {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    let mut closer = Closer {
        open: BTreeSet::new(),
    };
    closer.find_open(&root, &definitions, false);
    for definition in definitions.values().filter_map(Value::as_object) {
        closer.find_open(definition, &definitions, false);
    }
    closer.close(&mut root);
    let mut closed = Map::new();
    for (name, mut definition) in definitions {
        if let Value::Object(schema) = &mut definition {
            match closer.open.contains(&name) {
                true => closer.close_parts(schema),
                false => closer.close(schema),
            }
        }
        closed.insert(name, definition);
    }
    if !closed.is_empty() {
        root.insert("$defs".into(), Value::Object(closed));
    }
    root
}

struct Closer {
    /// Definitions that are a part of a composed object somewhere.
    open: BTreeSet<String>,
}

impl Closer {
    /// Finds the definitions that composed objects refer to in place.
    fn find_open(&mut self, schema: &Schema, definitions: &Schema, within: bool) {
        let composed = within || is_composed(schema);
        if composed
            && let Some(name) = reference(schema)
            && self.open.insert(name.to_owned())
            && let Some(Value::Object(definition)) = definitions.get(name)
        {
            self.find_open(definition, definitions, true);
        }
        for branch in branches(schema) {
            self.find_open(branch, definitions, composed);
        }
        for part in parts(schema) {
            self.find_open(part, definitions, false);
        }
    }

    /// Closes a schema that stands for a whole value.
    fn close(&self, schema: &mut Schema) {
        limit_integer(schema);
        let shut = schema.contains_key("additionalProperties")
            || schema.contains_key("unevaluatedProperties");
        if is_composed(schema) {
            if !shut {
                schema.insert("unevaluatedProperties".into(), false.into());
            }
            self.close_parts(schema);
            return;
        }
        if let Some(name) = reference(schema) {
            if self.open.contains(name) {
                schema.insert("unevaluatedProperties".into(), false.into());
            }
        } else if IN_PLACE.iter().any(|keyword| schema.contains_key(*keyword)) {
            // Alternatives: exactly one of them is the whole value.
            for_branches(schema, |branch| self.close(branch));
        } else if is_object(schema) && !shut {
            schema.insert("additionalProperties".into(), false.into());
        }
        self.close_only_parts(schema);
    }

    /// Closes what is inside of a schema whose own object stays open.
    fn close_parts(&self, schema: &mut Schema) {
        for_branches(schema, |branch| self.close_parts(branch));
        self.close_only_parts(schema);
    }

    fn close_only_parts(&self, schema: &mut Schema) {
        for keyword in PARTS {
            if let Some(Value::Object(part)) = schema.get_mut(keyword) {
                self.close(part);
            }
        }
        for keyword in NAMED_PARTS {
            let Some(Value::Object(named)) = schema.get_mut(keyword) else {
                continue;
            };
            for part in named.values_mut().filter_map(Value::as_object_mut) {
                self.close(part);
            }
        }
        if let Some(Value::Array(parts)) = schema.get_mut("prefixItems") {
            for part in parts.iter_mut().filter_map(Value::as_object_mut) {
                self.close(part);
            }
        }
    }
}

/// Whether several schemas describe one object together.
fn is_composed(schema: &Schema) -> bool {
    let own = NAMED_PARTS.iter().any(|it| schema.contains_key(*it));
    let all_of = schema
        .get("allOf")
        .and_then(Value::as_array)
        .is_some_and(|all| all.len() > 1);
    let applied = IN_PLACE
        .iter()
        .chain(&["$ref"])
        .filter(|keyword| schema.contains_key(**keyword))
        .count();
    all_of || applied > 1 || (own && applied > 0)
}

fn is_object(schema: &Schema) -> bool {
    let typed = match schema.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.iter().any(|name| name == "object"),
        _ => false,
    };
    typed || NAMED_PARTS.iter().any(|it| schema.contains_key(*it))
}

/// The definition that a schema refers to.
pub(super) fn reference(schema: &Schema) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn branches(schema: &Schema) -> impl Iterator<Item = &Schema> {
    IN_PLACE
        .iter()
        .filter_map(|keyword| schema.get(*keyword)?.as_array())
        .flatten()
        .filter_map(Value::as_object)
}

fn for_branches(schema: &mut Schema, mut apply: impl FnMut(&mut Schema)) {
    for keyword in IN_PLACE {
        if let Some(Value::Array(list)) = schema.get_mut(keyword) {
            list.iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(&mut apply);
        }
    }
}

fn parts(schema: &Schema) -> impl Iterator<Item = &Schema> {
    let single = PARTS.iter().filter_map(|keyword| schema.get(*keyword));
    let named = NAMED_PARTS
        .iter()
        .filter_map(|keyword| schema.get(*keyword)?.as_object())
        .flat_map(Map::values);
    let listed = schema
        .get("prefixItems")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    single
        .chain(named)
        .chain(listed)
        .filter_map(Value::as_object)
}

/// The generator names the width of an integer and, from 32 bits on, leaves out its limits. With
/// them, a number that does not fit is refused by the schema and not by the deserialiser.
fn limit_integer(schema: &mut Schema) {
    let limits: (Value, Value) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint32") => (u32::MIN.into(), u32::MAX.into()),
        Some("int64" | "int") => (i64::MIN.into(), i64::MAX.into()),
        Some("uint64" | "uint") => (u64::MIN.into(), u64::MAX.into()),
        // A larger number is a float where JSON is read, and no integer comes of it.
        Some("int128") => (i64::MIN.into(), u64::MAX.into()),
        Some("uint128") => (u64::MIN.into(), u64::MAX.into()),
        _ => return,
    };
    schema.entry("minimum").or_insert(limits.0);
    schema.entry("maximum").or_insert(limits.1);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn closed(schema: Value) -> Value {
        Value::Object(close(schema.as_object().unwrap().clone()))
    }

    #[test]
    fn objects_are_closed_at_every_depth() {
        let schema = closed(json!({
            "type": "object",
            "properties": {
                "a": {"type": "array", "items": {"type": "object", "properties": {}}},
                "b": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
            },
            "$defs": {"B": {"type": ["object", "null"], "properties": {"c": {"type": "object"}}}},
        }));
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "properties": {
                    "a": {"type": "array", "items": {
                        "type": "object", "properties": {}, "additionalProperties": false}},
                    "b": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
                },
                "additionalProperties": false,
                "$defs": {"B": {
                    "type": ["object", "null"],
                    "properties": {"c": {"type": "object", "additionalProperties": false}},
                    "additionalProperties": false}},
            })
        );
    }

    #[test]
    fn composed_objects_are_closed_as_a_whole() {
        let schema = closed(json!({
            "properties": {"p": {"type": "object", "properties": {"kind": {}},
                "oneOf": [{"type": "object", "properties": {"x": {"type": "object"}}}, {"$ref": "#/$defs/B"}]},
                "alone": {"$ref": "#/$defs/B"}},
            "$defs": {"B": {"type": "object", "properties": {"y": {"type": "object"}}}},
        }));
        let p = &schema["properties"]["p"];
        assert_eq!(p["unevaluatedProperties"], json!(false));
        assert_eq!(p.get("additionalProperties"), None);
        assert_eq!(p["oneOf"][0].get("additionalProperties"), None);
        assert_eq!(
            p["oneOf"][0]["properties"]["x"]["additionalProperties"],
            json!(false)
        );
        let b = &schema["$defs"]["B"];
        assert_eq!(b.get("additionalProperties"), None);
        assert_eq!(b["properties"]["y"]["additionalProperties"], json!(false));
        assert_eq!(
            schema["properties"]["alone"]["unevaluatedProperties"],
            json!(false)
        );
    }

    #[test]
    fn free_keys_stay_free_where_the_type_has_them() {
        let map =
            json!({"type": "object", "additionalProperties": {"type": "object", "properties": {}}});
        let schema = closed(json!({"properties": {"m": map}}));
        assert_eq!(
            schema["properties"]["m"]["additionalProperties"],
            json!({"type": "object", "properties": {}, "additionalProperties": false})
        );
    }
}
