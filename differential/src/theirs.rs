//! The tree of `pg_query`: PostgreSQL's C parser, by way of its protobuf form.

use serde_json::{Map, Value};

use crate::tree::{Node, Tree, plain};

/// Parses `sql` and gives one tree for each statement.
///
/// # Errors
/// The message of the parser.
pub fn parse(sql: &str) -> Result<Vec<Tree>, String> {
    let parsed =
        pg_query::parse(sql, pg_query::ParserOptions::DEFAULT).map_err(|error| match error {
            pg_query::Error::Parse(message) => message,
            other => other.to_string(),
        })?;
    parsed
        .protobuf
        .stmts
        .iter()
        .map(|statement| {
            let value = serde_json::to_value(statement).map_err(|error| error.to_string())?;
            let Tree::Node(mut node) = tree(&value) else {
                return Err("a statement is no node".to_owned());
            };
            node.kind = Some("rawstmt".to_owned());
            Ok(Tree::Node(node))
        })
        .collect()
}

fn tree(value: &Value) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(value) => Tree::Atom(value.to_string()),
        Value::Number(number) => Tree::Atom(number.to_string()),
        Value::String(text) => Tree::atom(text.as_str()),
        Value::Array(values) => Tree::list(values.iter().map(tree).collect()),
        Value::Object(object) => match wrapped(object, "node") {
            Some(Value::Object(variant)) => match variant.iter().next() {
                Some((kind, inner)) => variant_tree(kind, inner),
                None => Tree::Null,
            },
            Some(_) => Tree::Null,
            None => Tree::Node(node(None, object)),
        },
    }
}

/// The value of an object that has this key alone.
fn wrapped<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|_| object.len() == 1)
}

fn variant_tree(kind: &str, inner: &Value) -> Tree {
    let field = |name: &str| inner.get(name).map_or(Tree::Null, tree);
    match kind {
        "Integer" => field("ival"),
        "Float" => field("fval"),
        "Boolean" => field("boolval"),
        "BitString" => field("bsval"),
        "String" => match field("sval") {
            Tree::Atom(text) => Tree::Atom(format!("\"{text}")),
            other => other,
        },
        "List" => field("items"),
        "AArrayExpr" | "AConst" => match inner {
            Value::Object(object) => Tree::Node(constant(kind, object)),
            _ => Tree::Null,
        },
        _ => match inner {
            Value::Object(object) => Tree::Node(node(Some(plain(kind)), object)),
            _ => Tree::Null,
        },
    }
}

fn node(kind: Option<String>, object: &Map<String, Value>) -> Node {
    Node {
        kind,
        fields: object
            .iter()
            .map(|(name, value)| (plain(name.trim_start_matches("r#")), tree(value)))
            .collect(),
    }
}

fn constant(kind: &str, object: &Map<String, Value>) -> Node {
    let mut node = node(Some(plain(kind)), object);
    if let Some(Value::Object(value)) = object.get("val") {
        let value = value.values().next().and_then(|inner| match inner {
            Value::Object(inner) => inner.iter().next(),
            _ => None,
        });
        let text = match value {
            Some((name, Value::String(text))) if name == "sval" => format!("=\"{text}"),
            Some((_, Value::String(text))) => format!("={text}"),
            Some((_, other)) => format!("={other}"),
            None => "=".to_owned(),
        };
        node.fields.insert("val".to_owned(), Tree::Atom(text));
    }
    node
}
