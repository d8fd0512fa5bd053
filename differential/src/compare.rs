//! Walks two trees together and tells where they part.

use std::collections::BTreeSet;

use crate::tree::{Node, Tree};
use crate::versions::{ENUMS, FIELDS, RENAMED, only_theirs};
use crate::{ours, theirs};

/// Parses `sql` with both parsers; nothing where they agree, or what differs, for people.
///
/// # Errors
/// The first difference.
pub fn compare(sql: &str) -> Result<Agreed, String> {
    results(ours::parse(sql), theirs::parse(sql))
}

/// Compares what the two parsers gave.
///
/// # Errors
/// The first difference.
pub fn results(
    ours: Result<Vec<Tree>, String>,
    theirs: Result<Vec<Tree>, String>,
) -> Result<Agreed, String> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            if ours.len() != theirs.len() {
                return Err(format!(
                    "{} statements for us, {} for PostgreSQL",
                    ours.len(),
                    theirs.len()
                ));
            }
            for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                trees(&format!("[{number}]"), ours, theirs)?;
            }
            Ok(Agreed::Parsed)
        }
        (Err(ours), Err(theirs)) => Ok(if ours == theirs {
            Agreed::Refused
        } else {
            Agreed::RefusedOtherwise { ours, theirs }
        }),
        (Ok(_), Err(theirs)) => Err(format!("we parse what PostgreSQL refuses: {theirs}")),
        (Err(ours), Ok(_)) if only_theirs(&ours) => Ok(Agreed::Extension),
        (Err(ours), Ok(_)) => Err(format!("we refuse what PostgreSQL parses: {ours}")),
    }
}

/// How both agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// Both give the same tree.
    Parsed,
    /// We refuse what only `pg_query` takes, and PostgreSQL does not.
    Extension,
    /// Both refuse with the same message.
    Refused,
    /// Both refuse, with other words.
    RefusedOtherwise {
        /// Our message.
        ours: String,
        /// PostgreSQL's message.
        theirs: String,
    },
}

fn trees(path: &str, ours: &Tree, theirs: &Tree) -> Result<(), String> {
    match (ours, theirs) {
        (Tree::List(ours), Tree::List(theirs)) => {
            if ours.len() != theirs.len() {
                return Err(format!(
                    "{path}: {} parts, {} parts",
                    ours.len(),
                    theirs.len()
                ));
            }
            for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                trees(&format!("{path}[{number}]"), ours, theirs)?;
            }
            Ok(())
        }
        (Tree::Node(ours), Tree::Node(theirs)) => nodes(path, ours, theirs),
        _ if ours == theirs => Ok(()),
        _ => Err(format!("{path}: {ours:?}, {theirs:?}")),
    }
}

fn nodes(path: &str, ours: &Node, theirs: &Node) -> Result<(), String> {
    let kind = ours.kind.as_deref().unwrap_or("?");
    if let Some(theirs) = theirs.kind.as_deref()
        && RENAMED.contains(&(kind, theirs))
    {
        return Ok(());
    }
    if theirs.kind.is_some() && theirs.kind != ours.kind {
        return Err(format!("{path}: {kind}, {:?}", theirs.kind));
    }
    let names: BTreeSet<&String> = ours.fields.keys().chain(theirs.fields.keys()).collect();
    for name in names {
        if FIELDS
            .iter()
            .any(|(of, field)| (*of == "*" || *of == kind) && field == name)
        {
            continue;
        }
        let path = format!("{path}.{kind}.{name}");
        let ours = ours.fields.get(name).unwrap_or(&Tree::Null);
        let theirs = theirs.fields.get(name).unwrap_or(&Tree::Null);
        let enumerator = ENUMS
            .iter()
            .find(|(of, field, _)| *of == kind && field == name);
        let mapped = match (enumerator, theirs) {
            (Some((_, _, map)), Tree::Atom(number)) => {
                Some(Tree::Atom(map.number(number).to_string()))
            }
            _ => None,
        };
        let theirs = mapped.as_ref().unwrap_or(theirs);
        if ours.is_default() && theirs.is_default() {
            continue;
        }
        trees(&path, ours, theirs)?;
    }
    Ok(())
}
