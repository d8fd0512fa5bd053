//! The walk over a JSON schema in its final form: every way in which a caller could name a tenant.
//!
//! Invariant: every keyword of draft 2020-12 that can admit a property is followed, through
//! references and cycles; a reference that can't be followed is a finding.

mod reference;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::words::{self, Extra, Tier};
use reference::resolve;

/// How many schemas are looked at before the walk gives up with a finding.
const BUDGET: usize = 200_000;
/// How many references are followed one inside the other: each takes stack, and schemas of other
/// people's servers are walked too.
const DEEPEST: usize = 128;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A property whose name is a tenant's wherever it stands.
    TenantName,
    /// A property whose name is a tenant's in many products.
    AmbiguousName,
    /// A header annotation that names a tenant.
    Header,
    /// A header annotation near a header that decides who is calling, or for which tenant.
    ReservedHeader,
    /// An object that takes arguments which the schema does not name.
    OpenObject,
    /// A map whose keys the caller chooses.
    FreeKeys,
    /// A value of any shape.
    AnyValue,
    /// A text that is called like raw SQL.
    RawSql,
    /// A reference that can't be followed.
    Unresolved,
    /// A description that asks the model for a tenant. A warning: no schema follows from it.
    Prose,
}

impl Rule {
    /// The rule as reports spell it.
    pub fn word(self) -> &'static str {
        match self {
            Rule::TenantName => "tenant-name",
            Rule::AmbiguousName => "ambiguous-name",
            Rule::Header => "header",
            Rule::ReservedHeader => "reserved-header",
            Rule::OpenObject => "open-object",
            Rule::FreeKeys => "free-keys",
            Rule::AnyValue => "any-value",
            Rule::RawSql => "raw-sql",
            Rule::Unresolved => "unresolved",
            Rule::Prose => "prose",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Finding {
    /// The place in the instance: `filter.org_id`, `rows[].tenant`; empty for the root.
    pub path: String,
    /// The name at fault; empty where it is about the shape.
    pub name: String,
    /// The rule.
    pub rule: Rule,
    /// One lower-case sentence.
    pub message: String,
}

/// Walks `schema` and gives every finding whose path is not `allowed`.
pub fn walk(schema: &Value, extra: &Extra, allowed: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut walk = Walk {
        root: schema,
        extra,
        allowed,
        findings: Vec::new(),
        known: HashSet::new(),
        visited: HashSet::new(),
        budget: BUDGET,
    };
    walk.schema(schema, "", false, &mut Vec::new());
    walk.findings
}

/// Every header that clients copy an argument into (`x-mcp-header`), and the place of the
/// annotation, wherever in the schema it stands.
pub fn headers(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect("x-mcp-header", schema, "", &mut found);
    found
}

/// Every description in a schema, and its place.
pub fn descriptions(schema: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect("description", schema, "", &mut found);
    found
}

/// Goes by the form of the document alone, so that no keyword hides an annotation.
fn collect(keyword: &str, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            if let Some(text) = object.get(keyword).and_then(Value::as_str) {
                found.push((path.to_owned(), text.to_owned()));
            }
            for (key, inner) in object {
                let place = match key.as_str() {
                    "properties" | "items" | "$defs" => path.to_owned(),
                    name => join(path, name),
                };
                collect(keyword, inner, &place, found);
            }
        }
        Value::Array(list) => list
            .iter()
            .for_each(|inner| collect(keyword, inner, path, found)),
        _ => {}
    }
}

struct Walk<'a> {
    root: &'a Value,
    extra: &'a Extra,
    allowed: &'a dyn Fn(&str) -> bool,
    findings: Vec<Finding>,
    known: HashSet<Finding>,
    /// References that were followed at a place already.
    visited: HashSet<(String, String)>,
    budget: usize,
}

/// Keywords whose value is a schema for the same instance.
const SAME_PLACE: &[&str] = &["if", "then", "else"];
/// Keywords whose value is a list of schemas for the same instance.
const SAME_PLACE_LISTS: &[&str] = &["allOf", "anyOf", "oneOf"];
/// Keywords whose value is a schema for each element.
const ELEMENTS: &[&str] = &["items", "additionalItems", "contains", "unevaluatedItems"];
/// Keywords that bound a value, so that it is not any value.
const BOUNDS: &[&str] = &[
    "type",
    "enum",
    "const",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "properties",
    "items",
    "prefixItems",
    "patternProperties",
    "if",
];

impl<'a> Walk<'a> {
    /// `closed` tells that an enclosing schema shuts this place for unknown properties; `stack`
    /// holds the references that are being followed.
    fn schema(&mut self, schema: &'a Value, path: &str, closed: bool, stack: &mut Vec<String>) {
        if self.budget == 0 {
            self.find(
                path,
                "",
                Rule::Unresolved,
                "the schema is too large to be looked at".to_owned(),
            );
            return;
        }
        self.budget -= 1;
        let object = match schema {
            Value::Bool(false) => return,
            Value::Object(object) => object,
            _ => return self.any_value(path),
        };
        if !BOUNDS.iter().any(|keyword| object.contains_key(*keyword)) && !closed {
            self.any_value(path);
        }
        let shut = |keyword: &str| object.get(keyword) == Some(&Value::Bool(false));
        let closed = closed || shut("additionalProperties") || shut("unevaluatedProperties");
        self.header(object, path);
        self.references(object, path, closed, stack);
        for keyword in SAME_PLACE {
            if let Some(inner) = object.get(*keyword) {
                self.beside(inner, path, closed, stack);
            }
        }
        for keyword in SAME_PLACE_LISTS {
            for inner in object
                .get(*keyword)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.beside(inner, path, closed, stack);
            }
        }
        self.properties(object, path, closed, stack);
        self.maps(object, path, closed, stack);
        self.elements(object, path, stack);
    }

    /// A schema beside others at the same place: `true` or `{}` adds nothing there.
    fn beside(&mut self, schema: &'a Value, path: &str, closed: bool, stack: &mut Vec<String>) {
        let empty =
            matches!(schema, Value::Bool(_)) || schema.as_object().is_some_and(Map::is_empty);
        if !empty {
            self.schema(schema, path, closed, stack);
        }
    }

    fn references(
        &mut self,
        object: &'a Map<String, Value>,
        path: &str,
        closed: bool,
        stack: &mut Vec<String>,
    ) {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(target) = object.get(keyword) else {
                continue;
            };
            let Some(target) = target.as_str() else {
                self.find(
                    path,
                    "",
                    Rule::Unresolved,
                    format!("`{keyword}` is no text"),
                );
                continue;
            };
            let place = (target.to_owned(), format!("{path} {closed}"));
            if stack.iter().any(|open| open == target) || !self.visited.insert(place) {
                continue;
            }
            if stack.len() >= DEEPEST {
                let message = "its references nest too deep to be followed".to_owned();
                self.find(path, target, Rule::Unresolved, message);
                continue;
            }
            match resolve(self.root, target) {
                Some(inner) => {
                    stack.push(target.to_owned());
                    self.schema(inner, path, closed, stack);
                    stack.pop();
                }
                None => {
                    let message = format!(
                        "the reference `{target}` can't be followed, so what it admits is not known"
                    );
                    self.find(path, target, Rule::Unresolved, message);
                }
            }
        }
    }

    fn properties(
        &mut self,
        object: &'a Map<String, Value>,
        path: &str,
        closed: bool,
        stack: &mut Vec<String>,
    ) {
        for keyword in ["properties", "dependentSchemas"] {
            for (name, inner) in object
                .get(keyword)
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let place = join(path, name);
                self.name(&place, name);
                self.raw_sql(&place, name, inner);
                match keyword {
                    "properties" => self.schema(inner, &place, false, stack),
                    _ => self.beside(inner, path, closed, stack),
                }
            }
        }
        let names = object
            .get("propertyNames")
            .and_then(|names| names.get("enum"));
        let required = object.get("required");
        for name in [names, required]
            .into_iter()
            .flatten()
            .filter_map(Value::as_array)
            .flatten()
        {
            if let Some(name) = name.as_str() {
                self.name(&join(path, name), name);
            }
        }
    }

    /// Properties that the schema does not name.
    fn maps(
        &mut self,
        object: &'a Map<String, Value>,
        path: &str,
        closed: bool,
        stack: &mut Vec<String>,
    ) {
        let patterns = object.get("patternProperties").and_then(Value::as_object);
        for (pattern, inner) in patterns.into_iter().flatten() {
            let place = join(path, &format!("/{pattern}/"));
            let message = format!("the caller chooses keys that match `{pattern}`");
            self.find(&place, "", Rule::FreeKeys, message);
            self.schema(inner, &place, false, stack);
        }
        let mut says = false;
        for keyword in ["additionalProperties", "unevaluatedProperties"] {
            let Some(value) = object.get(keyword) else {
                continue;
            };
            says = true;
            match value {
                Value::Bool(false) => {}
                Value::Bool(true) => self.open(path),
                inner => {
                    let place = join(path, "*");
                    self.find(
                        &place,
                        "",
                        Rule::FreeKeys,
                        "the caller chooses the keys of a map".to_owned(),
                    );
                    self.schema(inner, &place, false, stack);
                }
            }
        }
        let is_object =
            has_type(object, "object").unwrap_or_else(|| object.contains_key("properties"));
        if is_object && !closed && !says {
            self.open(path);
        }
    }

    fn elements(&mut self, object: &'a Map<String, Value>, path: &str, stack: &mut Vec<String>) {
        let place = format!("{path}[]");
        for keyword in ELEMENTS {
            match object.get(*keyword) {
                None | Some(Value::Bool(false)) => {}
                Some(Value::Array(list)) => {
                    list.iter()
                        .for_each(|inner| self.schema(inner, &place, false, stack));
                }
                Some(inner) => self.schema(inner, &place, false, stack),
            }
        }
        for inner in object
            .get("prefixItems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.schema(inner, &place, false, stack);
        }
        let bounded = object.contains_key("items") || object.contains_key("prefixItems");
        if has_type(object, "array") == Some(true) && !bounded {
            self.any_value(&place);
        }
        if let Some(inner) = object.get("contentSchema") {
            self.schema(inner, path, false, stack);
        }
    }

    fn header(&mut self, object: &Map<String, Value>, path: &str) {
        if let Some(header) = object.get("x-mcp-header").and_then(Value::as_str)
            && let Some(found) = words::classify(header, self.extra)
            && found.tier == Tier::First
        {
            let message = format!("the header `{header}` names a tenant ({})", found.reason);
            self.find(path, header, Rule::Header, message);
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        if let Some(found) = words::classify(name, self.extra) {
            let rule = match found.tier {
                Tier::First => Rule::TenantName,
                Tier::Second => Rule::AmbiguousName,
            };
            let message = format!(
                "`{name}` names a tenant by the word `{}` ({})",
                found.word, found.reason
            );
            self.find(path, name, rule, message);
        }
    }

    fn raw_sql(&mut self, path: &str, name: &str, schema: &Value) {
        if let Some(found) = words::classify_sql(name)
            && found.tier == Tier::First
            && holds_text(schema)
        {
            let message = format!(
                "`{name}` takes raw SQL, which no proof covers ({})",
                found.reason
            );
            self.find(path, name, Rule::RawSql, message);
        }
    }

    fn open(&mut self, path: &str) {
        let message =
            "it takes arguments that the schema does not name: `additionalProperties` is not false";
        self.find(path, "", Rule::OpenObject, message.to_owned());
    }

    fn any_value(&mut self, path: &str) {
        self.find(
            path,
            "",
            Rule::AnyValue,
            "it takes a value of any shape".to_owned(),
        );
    }

    fn find(&mut self, path: &str, name: &str, rule: Rule, message: String) {
        if (self.allowed)(path) {
            return;
        }
        let finding = Finding {
            path: path.to_owned(),
            name: name.to_owned(),
            rule,
            message,
        };
        if self.known.insert(finding.clone()) {
            self.findings.push(finding);
        }
    }
}

/// Whether a schema admits a text of any form, alone, in a list or as an alternative.
fn holds_text(schema: &Value) -> bool {
    let Some(object) = schema.as_object() else {
        return false;
    };
    let bounded = ["enum", "const", "format"]
        .iter()
        .any(|keyword| object.contains_key(*keyword));
    let alternatives = SAME_PLACE_LISTS
        .iter()
        .filter_map(|keyword| object.get(*keyword)?.as_array())
        .flatten();
    has_type(object, "string") == Some(true) && !bounded
        || object.get("items").is_some_and(holds_text)
        || alternatives.into_iter().any(holds_text)
}

/// Whether `type` admits `wanted`; nothing where there is no `type`.
fn has_type(object: &Map<String, Value>, wanted: &str) -> Option<bool> {
    match object.get("type")? {
        Value::String(ty) => Some(ty == wanted),
        Value::Array(types) => Some(types.iter().any(|ty| ty == wanted)),
        _ => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests;
