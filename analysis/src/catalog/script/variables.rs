//! The variables of a script and how certainly a place of it is reached.
//!
//! Invariant: a variable holds what the server's would, as its type shows it, or `Unknown`.

use std::collections::{BTreeSet, HashMap};

use super::value::{Names, Value, array_literal};
use crate::ddl::plpgsql::{Block, Node};

/// A block that is being run.
#[derive(Default)]
pub(super) struct Run {
    pub(super) names: Names,
    /// The declared types of variables, as written.
    types: HashMap<String, String>,
    /// Whether this place is certainly reached.
    pub(super) sure: bool,
    /// Whether a `RETURN` was certainly reached.
    pub(super) stopped: bool,
    /// Whether a `RETURN`, or an `EXIT` or `CONTINUE` with a label, may have been reached.
    pub(super) returned: bool,
    /// Whether the innermost loop may have been left.
    pub(super) exited: bool,
    /// Whether this round of it may have been left.
    pub(super) continued: bool,
    /// Whether something that exists already ends the block without an effect.
    pub(super) guarded: bool,
    /// Whether that has happened.
    pub(super) raised: bool,
    /// Whether it may have happened.
    pub(super) doubtful: bool,
    pub(super) rounds: usize,
}

/// What a block's variables hide while it runs.
pub(super) type Hidden = Vec<(String, Option<Value>, Option<String>)>;

impl Run {
    pub(super) fn new(sure: bool) -> Run {
        Run {
            sure,
            ..Run::default()
        }
    }

    /// Goes on behind something that may or may not have ended this place.
    pub(super) fn resume(&mut self, sure: bool) {
        self.sure = sure && !self.returned && !self.exited && !self.continued;
    }

    /// Makes the variables of a block known, with their types; what they hide comes back at its end.
    pub(super) fn hide(&mut self, block: &Block) -> Hidden {
        let own = block.variables.iter();
        own.map(|variable| {
            let name = variable.name.clone();
            let ty = self.types.insert(name.clone(), variable.ty.clone());
            let value = self.names.insert(name.clone(), Value::Unknown);
            (name, value, ty)
        })
        .collect()
    }

    pub(super) fn show(&mut self, hidden: Hidden) {
        for (name, value, ty) in hidden.into_iter().rev() {
            match value {
                Some(value) => self.names.insert(name.clone(), value),
                None => self.names.remove(&name),
            };
            match ty {
                Some(ty) => self.types.insert(name, ty),
                None => self.types.remove(&name),
            };
        }
    }

    /// Gives a variable a value, which is coerced to its type.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        let value = match self.types.get(name) {
            Some(ty) => typed(value, ty),
            None => value,
        };
        self.names.insert(name.to_owned(), value);
    }

    /// Gives the variables of a loop the row of a round.
    pub(super) fn bind(&mut self, targets: &[Vec<String>], row: Vec<(String, Value)>) {
        match targets {
            [one] => match one.as_slice() {
                [name] => self.set(name, Value::Row(row)),
                _ => self.lose(targets),
            },
            several => {
                for (target, (_, value)) in several.iter().zip(row) {
                    match target.as_slice() {
                        [name] => self.set(name, value),
                        _ => self.lose(std::slice::from_ref(target)),
                    }
                }
            }
        }
    }

    /// These variables are not known any more. `a.b` is a field of `a`, or the variable `b` of the
    /// block that is labelled `a`.
    pub(super) fn lose(&mut self, targets: &[Vec<String>]) {
        for name in targets.iter().flatten() {
            self.names.insert(name.clone(), Value::Unknown);
        }
    }

    /// Variables that these statements assign are not known.
    pub(super) fn forget(&mut self, nodes: &[Node]) {
        let mut assigned = BTreeSet::new();
        for node in nodes {
            collect(node, &mut assigned);
        }
        for name in assigned {
            if let Some(value) = self.names.get_mut(&name) {
                *value = Value::Unknown;
            }
        }
    }
}

/// A value as a variable of this type holds it; a type that could show it otherwise hides it.
fn typed(value: Value, ty: &str) -> Value {
    let words = ty.to_lowercase();
    let words = words.split_whitespace().filter(|word| *word != "constant");
    let ty = words.collect::<Vec<_>>().join(" ");
    let ty = ty.split(" not null").next().unwrap_or_default();
    let ty = ty.strip_prefix("pg_catalog.").unwrap_or(ty);
    // A row of one column that goes into a variable of one value.
    let one = |value: Value| match value {
        Value::Row(mut fields) if fields.len() == 1 => {
            fields.pop().map_or(Value::Unknown, |(_, value)| value)
        }
        other => other,
    };
    match ty {
        "record" => match value {
            Value::Row(mut fields) => {
                if fields.len() == 1 {
                    // The record is not its one field.
                    fields.push((String::new(), Value::Unknown));
                }
                Value::Row(fields)
            }
            _ => Value::Unknown,
        },
        "text" | "varchar" | "character varying" | "name" => match one(value) {
            Value::Text(text) if ty != "name" || text.len() < 64 => Value::Text(text),
            Value::Null => Value::Null,
            _ => Value::Unknown,
        },
        "boolean" | "bool" => match one(value) {
            value @ (Value::Bool(_) | Value::Null) => value,
            _ => Value::Unknown,
        },
        "int" | "integer" | "bigint" | "smallint" | "int2" | "int4" | "int8" => match one(value) {
            Value::Text(text) if text.parse::<i16>().is_ok_and(|n| n.to_string() == text) => {
                Value::Text(text)
            }
            Value::Null => Value::Null,
            _ => Value::Unknown,
        },
        "regclass" | "oid" | "regnamespace" => match one(value) {
            value @ (Value::Object { .. } | Value::Null) => value,
            _ => Value::Unknown,
        },
        "text[]" | "varchar[]" | "name[]" | "text array" => match one(value) {
            Value::Array(items) => Value::Array(items),
            Value::Text(text) => array_literal(&text),
            Value::Null => Value::Null,
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

/// The variables that a statement assigns.
fn collect(node: &Node, into: &mut BTreeSet<String>) {
    match node {
        Node::Sql { into: targets, .. } => {
            into.extend(targets.iter().flatten().cloned());
        }
        Node::Assign { target, .. } => into.extend(target.iter().cloned()),
        Node::Execute { into: names, .. } => into.extend(names.iter().cloned()),
        Node::If {
            branches,
            otherwise,
        } => {
            let nodes = branches.iter().flat_map(|(_, nodes)| nodes);
            nodes.chain(otherwise).for_each(|node| collect(node, into));
        }
        Node::Loop { head, body } => {
            into.extend(head.targets().iter().flatten().cloned());
            body.iter().for_each(|node| collect(node, into));
        }
        Node::Block(block) => {
            let handlers = block.handlers.iter().flat_map(|(_, nodes)| nodes);
            let nodes = block.body.iter().chain(handlers);
            nodes.for_each(|node| collect(node, into));
        }
        Node::Expr(_) | Node::Return { .. } | Node::Raise | Node::Leave { .. } => {}
    }
}
