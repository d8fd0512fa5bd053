//! The parser's raw tree to the intermediate form.
//!
//! Invariant: the match over node types is closed. A node that has no place in the intermediate
//! form refuses the statement with a message that says what is not understood; nothing is dropped.

mod call;
mod expr;
mod from;
mod query;
mod special;
pub(crate) mod tokens;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use rupg_sql::nodes::{self, List, Node};

use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Name, Span, Statement, TypeName};
use tokens::Tokens;

/// The result of lowering a node.
pub(crate) type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// How deep trees are taken. Every stage after this one recurses no deeper.
const DEPTH: usize = 3_000;

/// Lowers nodes of one text.
#[derive(Debug)]
pub(crate) struct Lower<'a> {
    tokens: &'a Tokens,
    depth: Cell<usize>,
    /// Where the columns and the parameters stand that were lowered, for the accounting.
    seen: RefCell<Seen>,
}

/// The places of what was lowered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Of column references.
    pub(crate) columns: BTreeSet<usize>,
    /// Of parameters.
    pub(crate) parameters: BTreeSet<usize>,
}

impl<'a> Lower<'a> {
    /// A lowering of nodes from the text that has these tokens.
    pub(crate) fn new(tokens: &'a Tokens) -> Self {
        Self {
            tokens,
            depth: Cell::new(0),
            seen: RefCell::default(),
        }
    }

    /// The places of the columns and parameters that have been lowered so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Lowers a query or a data change; any other kind of statement is refused.
    pub(crate) fn statement(&self, node: &Node, span: &Span) -> Result<Statement> {
        match node {
            Node::SelectStmt(select) => {
                let mut query = self.query(select)?;
                query.span = span.clone();
                Ok(Statement::Query(Box::new(query)))
            }
            Node::InsertStmt(insert) => Ok(Statement::Insert(Box::new(self.insert(insert, span)?))),
            Node::UpdateStmt(update) => Ok(Statement::Update(Box::new(self.update(update, span)?))),
            Node::DeleteStmt(delete) => Ok(Statement::Delete(Box::new(self.delete(delete, span)?))),
            Node::MergeStmt(merge) => Ok(Statement::Merge(Box::new(self.merge(merge, span)?))),
            other => Err(Box::new(
                Diagnostic::error(
                    Code::STATEMENT_KIND,
                    format!(
                        "{} is not a query or a data change",
                        special::statement_name(other)
                    ),
                )
                .at(self.tokens.token(span.start))
                .help("write one `SELECT`, `VALUES`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`"),
            )),
        }
    }

    fn saw_column(&self, location: i32) {
        self.seen.borrow_mut().columns.insert(place(location));
    }

    /// Counts a level of recursion; refuses below the limit.
    fn deeper<T>(&self, at: Span, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get();
        if depth >= DEPTH {
            return Err(Box::new(
                Diagnostic::error(
                    Code::TOO_LARGE,
                    format!("the statement nests deeper than {DEPTH} levels, and the analysis goes no deeper"),
                )
                .at(at)
                .help("split the statement, or pass the data as an array parameter"),
            ));
        }
        self.depth.set(depth + 1);
        let result = work();
        self.depth.set(depth);
        result
    }

    /// A refusal of what has no place in the intermediate form.
    fn unknown<T>(&self, what: impl std::fmt::Display, at: Span) -> Result<T> {
        Err(Box::new(
            Diagnostic::error(
                Code::NOT_UNDERSTOOD,
                format!("{what} is not understood yet, so nothing can be proved about it"),
            )
            .at(at),
        ))
    }

    /// A list of strings, as names are in the raw tree.
    fn strings(&self, list: &List) -> Result<Vec<String>> {
        list.iter()
            .map(|node| match node {
                Some(Node::String(text)) => Ok(text.to_string()),
                _ => Err(self.bug("a name holds something other than a string")),
            })
            .collect()
    }

    fn name(&self, list: &List, span: Span) -> Result<Name> {
        let parts = self.strings(list)?;
        if parts.is_empty() {
            return Err(self.bug("an empty name"));
        }
        Ok(Name { parts, span })
    }

    fn bug(&self, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::bug(message))
    }

    /// The place of a node as the raw tree gives it; an unknown one is the end of nothing.
    fn at(&self, location: i32) -> usize {
        usize::try_from(location).unwrap_or(0)
    }

    /// Lowers a type.
    pub(crate) fn type_name(&self, ty: &nodes::TypeName) -> Result<TypeName> {
        let start = self.at(ty.location);
        let span = if ty.location >= 0 {
            self.tokens.type_name(start)
        } else {
            0..0
        };
        if ty.pct_type {
            return self.unknown("`%TYPE`", span);
        }
        let modifiers = ty
            .typmods
            .iter()
            .map(|modifier| match modifier {
                Some(Node::A_Const(constant)) => match &constant.val {
                    Some(Node::Integer(number)) => Ok(number.to_string()),
                    Some(Node::Float(text) | Node::String(text)) => Ok(text.to_string()),
                    _ => self.unknown("this type modifier", span.clone()),
                },
                Some(Node::ColumnRef(column)) => {
                    self.saw_column(column.location);
                    Ok(self.strings(&column.fields)?.join("."))
                }
                // The parser writes the fields of an interval as a number.
                Some(Node::Integer(number)) => Ok(number.to_string()),
                _ => self.unknown("this type modifier", span.clone()),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(TypeName {
            name: self.name(&ty.names, span)?,
            modifiers,
            dimensions: ty.arrayBounds.len(),
            set_of: ty.setof,
        })
    }
}

/// A place for the accounting, which counts nodes without one (the star of `TABLE t`) as one.
fn place(location: i32) -> usize {
    usize::try_from(location).unwrap_or(usize::MAX)
}

/// The smallest span that holds both.
fn join(a: &Span, b: &Span) -> Span {
    a.start.min(b.start)..a.end.max(b.end)
}

/// The smallest span that holds all of them.
fn hull<'s>(spans: impl IntoIterator<Item = &'s Span>) -> Option<Span> {
    spans.into_iter().cloned().reduce(|a, b| join(&a, &b))
}

#[cfg(test)]
mod tests;
