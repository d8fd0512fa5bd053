//! Small readers of raw nodes: names, lists, options, types.

use rupg_sql::nodes::{
    DefElem, List, Node, ObjectWithArgs, RangeVar, RoleSpec, RoleSpecType, TypeName,
};

use super::ir::Ref;
use crate::ir;

/// The text of a string node.
pub(super) fn string(node: &Node) -> Option<&str> {
    match node {
        Node::String(text) => Some(text),
        _ => None,
    }
}

/// The strings of a list; nothing if an element is something else.
pub(super) fn strings(list: &List) -> Option<Vec<String>> {
    list.iter()
        .map(|node| node.as_ref().and_then(string).map(str::to_owned))
        .collect()
}

/// A qualified name from its parts; a database in front is dropped, it can only be this one.
pub(super) fn reference(parts: &[String]) -> Option<Ref> {
    match parts {
        [name] => Some(Ref {
            schema: None,
            name: name.clone(),
        }),
        [schema, name] | [_, schema, name] => Some(Ref {
            schema: Some(schema.clone()),
            name: name.clone(),
        }),
        _ => None,
    }
}

/// A qualified name from a list of strings.
pub(super) fn list_reference(list: &List) -> Option<Ref> {
    reference(&strings(list)?)
}

/// The name in a node: a string, a list of strings, a type name, a function with arguments.
pub(super) fn node_reference(node: &Node) -> Option<Ref> {
    match node {
        Node::String(text) => Some(Ref {
            schema: None,
            name: text.to_string(),
        }),
        Node::List(list) => list_reference(list),
        Node::TypeName(ty) => list_reference(&ty.names),
        Node::ObjectWithArgs(object) => list_reference(&object.objname),
        Node::RangeVar(range) => Some(range_reference(range)),
        _ => None,
    }
}

/// The name of a relation.
pub(super) fn range_reference(range: &RangeVar) -> Ref {
    Ref {
        schema: range.schemaname.as_deref().map(str::to_owned),
        name: range.relname.as_deref().unwrap_or_default().to_owned(),
    }
}

/// The name of an optional relation.
pub(super) fn relation(range: Option<&RangeVar>) -> Option<Ref> {
    range.map(range_reference)
}

/// A type as written.
pub(super) fn type_name(ty: &TypeName) -> Option<ir::TypeName> {
    if ty.pct_type {
        return None;
    }
    let start = usize::try_from(ty.location).unwrap_or(0);
    Some(ir::TypeName {
        name: ir::Name {
            parts: strings(&ty.names)?,
            span: start..start,
        },
        modifiers: ty
            .typmods
            .iter()
            .map(|node| node.as_ref().map_or_else(String::new, constant_text))
            .collect(),
        dimensions: ty.arrayBounds.len(),
        set_of: ty.setof,
    })
}

/// The types of a function's arguments; nothing when none were given.
pub(super) fn argument_types(object: &ObjectWithArgs) -> Option<Vec<ir::TypeName>> {
    if object.args_unspecified {
        return None;
    }
    object
        .objargs
        .iter()
        .map(|node| match node {
            Some(Node::TypeName(ty)) => type_name(ty),
            _ => None,
        })
        .collect()
}

/// A constant as text, for modifiers and settings.
pub(super) fn constant_text(node: &Node) -> String {
    constant(node).unwrap_or_else(|| "?".to_owned())
}

/// A constant as text; nothing for what is no constant.
pub(super) fn constant(node: &Node) -> Option<String> {
    match node {
        Node::A_Const(value) => match value.val.as_ref() {
            Some(value) => constant(value),
            None => Some("NULL".to_owned()),
        },
        Node::Integer(value) => Some(value.to_string()),
        Node::Float(value) | Node::BitString(value) | Node::String(value) => {
            Some(value.to_string())
        }
        Node::Boolean(value) => Some(value.to_string()),
        Node::TypeName(ty) => strings(&ty.names).map(|parts| parts.join(".")),
        Node::TypeCast(cast) => constant(cast.arg.as_ref()?),
        _ => None,
    }
}

/// A Boolean option such as `security_invoker = on`; PostgreSQL's spellings and their prefixes.
pub(super) fn boolean(option: &DefElem) -> Option<bool> {
    let Some(arg) = &option.arg else {
        return Some(true);
    };
    let text = constant(arg)?.to_ascii_lowercase();
    let prefix = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    match () {
        () if prefix("true", 1) || prefix("yes", 1) || text == "on" || text == "1" => Some(true),
        () if prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || text == "0" => {
            Some(false)
        }
        () => None,
    }
}

/// The options of a list.
pub(super) fn options(list: &List) -> impl Iterator<Item = &DefElem> {
    list.iter().filter_map(|node| match node {
        Some(Node::DefElem(option)) => Some(&**option),
        _ => None,
    })
}

/// The name of a role; `?` for the one that happens to run the migration.
pub(super) fn role(spec: &RoleSpec) -> String {
    match spec.roletype {
        RoleSpecType::ROLESPEC_PUBLIC => "public".to_owned(),
        RoleSpecType::ROLESPEC_CSTRING => spec.rolename.as_deref().unwrap_or("?").to_owned(),
        _ => "?".to_owned(),
    }
}

/// The names of the roles of a list.
pub(super) fn roles(list: &List) -> Vec<String> {
    list.iter()
        .map(|node| match node {
            Some(Node::RoleSpec(spec)) => role(spec),
            Some(Node::AccessPriv(privilege)) => {
                privilege.priv_name.as_deref().unwrap_or("?").to_owned()
            }
            _ => "?".to_owned(),
        })
        .collect()
}
