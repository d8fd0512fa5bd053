//! A live database as one SQL text: the queries that read it, and how their answers are put together.
//!
//! The catalog builder reads such a text in the place of migrations: what a database is can be
//! committed, and a pool can judge the policies that are really there. Whoever has a connection runs
//! the queries; nothing here does.
//!
//! Invariant: the text is the same for the same database, so a difference of two texts is one of the
//! databases.

mod sections;

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::migrations::SNAPSHOT_HEADER;

/// Statements to run first, in the transaction in which the queries run: whatever the role or the
/// database sets, names are printed in full and in one form.
pub const PREPARE: &[&str] = &[
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL search_path = ''",
    "SET LOCAL quote_all_identifiers = off",
    "SET LOCAL standard_conforming_strings = on",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
];

/// The same for who has begun the transaction already.
pub const PREPARE_WITHIN: &[&str] = match PREPARE {
    [_, within @ ..] => within,
    [] => &[],
};

/// Statements of one kind, in a stable order.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// A heading.
    pub title: &'static str,
    /// A query with one column of text: a statement without its semicolon, NULL where the server has
    /// no definition. Where it has a `$1`, that is the application role.
    pub query: &'static str,
}

impl Section {
    /// Whether the query has a parameter.
    pub fn asks_role(&self) -> bool {
        self.query.contains("$1")
    }
}

/// What comes before the views.
pub const BEFORE_VIEWS: &[Section] = sections::SECTIONS;
/// The query for views: columns `id`, `statement` and `reads`, the ids of the views that it reads.
pub const VIEWS: &str = sections::VIEWS;
/// What comes after the views.
pub const AFTER_VIEWS: &[Section] = sections::AFTER_VIEWS;

/// A view of the database.
#[derive(Clone, Debug)]
pub struct View {
    /// Its number.
    pub id: i64,
    /// What creates it.
    pub statement: String,
    /// The numbers of the views that it reads.
    pub reads: Vec<i64>,
}

/// The text, as it is put together.
#[derive(Clone, Debug)]
pub struct Snapshot(String);

impl Snapshot {
    /// Begins the text for a server of this version.
    pub fn new(version: &str) -> Self {
        let version = version.split_whitespace().next().unwrap_or("?");
        Self(format!(
            "{SNAPSHOT_HEADER} of PostgreSQL {version}\n\
             -- Written by `cargo watertight catalog pull`; write it again rather than change it.\n\n\
             SET search_path = '';\n"
        ))
    }

    /// Adds the statements that a section's query gave.
    pub fn section(&mut self, section: &Section, statements: &[String]) {
        self.heading(section.title, statements);
        for statement in statements {
            self.push(statement);
        }
    }

    /// Adds the views, each after those that it reads.
    pub fn views(&mut self, mut waiting: Vec<View>) {
        self.heading("views", &waiting);
        while !waiting.is_empty() {
            let open: HashSet<i64> = waiting.iter().map(|view| view.id).collect();
            let ready = waiting
                .iter()
                .position(|view| !view.reads.iter().any(|read| open.contains(read)));
            // A circle through a replaced view can't be written in any order.
            let view = waiting.remove(ready.unwrap_or(0));
            self.push(&view.statement);
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn heading<T>(&mut self, title: &str, statements: &[T]) {
        if !statements.is_empty() {
            // Writing to a String can't fail.
            let _ = write!(self.0, "\n-- {title}\n");
        }
    }

    fn push(&mut self, statement: &str) {
        self.0.push('\n');
        self.0.push_str(statement.trim_end());
        self.0.push_str(";\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_come_after_what_they_read() {
        let view = |id, reads: &[i64]| View {
            id,
            statement: format!("CREATE VIEW v{id} AS SELECT 1"),
            reads: reads.to_vec(),
        };
        let mut snapshot = Snapshot::new("15.18 (Debian)");
        snapshot.views(vec![view(1, &[2, 9]), view(2, &[3]), view(3, &[])]);
        let text = snapshot.into_text();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("v3") < at("v2") && at("v2") < at("v1"), "{text}");
        assert!(text.starts_with("-- watertight catalog 1 of PostgreSQL 15.18\n"));
    }
}
