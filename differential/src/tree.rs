//! A parse tree without types: kinds, fields by name, lists and texts.

use std::collections::BTreeMap;

/// A part of a parse tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Nothing: a null pointer, an empty list or an empty text.
    Null,
    /// A number, a name, an enumerator; a text of the statement begins with a double quote.
    Atom(String),
    /// A list of at least one part.
    List(Vec<Tree>),
    /// A node.
    Node(Node),
}

/// A node with its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its type, where the tree says it: `pg_query` does not name what a field's type already tells.
    pub kind: Option<String>,
    /// Its fields.
    pub fields: BTreeMap<String, Tree>,
}

impl Tree {
    /// A list; an empty one is nothing.
    pub fn list(parts: Vec<Tree>) -> Tree {
        if parts.is_empty() {
            Tree::Null
        } else {
            Tree::List(parts)
        }
    }

    /// A text; an empty one is nothing.
    pub fn atom(text: impl Into<String>) -> Tree {
        let text = text.into();
        if text.is_empty() {
            Tree::Null
        } else {
            Tree::Atom(text)
        }
    }

    /// Whether a field that holds this is the same as an absent one.
    pub fn is_default(&self) -> bool {
        match self {
            Tree::Null => true,
            Tree::Atom(text) => text == "0" || text == "false",
            Tree::List(_) | Tree::Node(_) => false,
        }
    }
}

/// A name in the spelling that both trees share: `fromClause`, `from_clause` and `FROMCLAUSE`.
pub fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}
