//! Tables as the migrations make them: whether row-level security is there and holds, and what the
//! migrations themselves are told of.

use std::collections::HashSet;
use std::ops::Range;

use watertight_analysis::catalog::{Class, Command, Relation, RelationKind, quote};
use watertight_analysis::finding::{Finding, Level, Place};
use watertight_analysis::{Code, Diagnostic};

use super::super::schema::Schema;
use super::Judge;

impl Judge<'_> {
    pub(super) fn tables(&mut self) {
        let mut seen = HashSet::new();
        for (package, schema) in self.schemas.iter().enumerate() {
            if self.is_foreign(package) {
                continue;
            }
            if !seen.insert(std::sync::Arc::as_ptr(&schema.catalog)) {
                continue;
            }
            for (_, shown, text) in &schema.files {
                self.verdicts.texts.push((shown.clone(), text.clone()));
            }
            let diagnostics = schema.problems.iter().chain(schema.catalog.diagnostics());
            for problem in diagnostics {
                let told = migration(schema, problem);
                self.found(told);
            }
            for relation in schema.catalog.relations() {
                self.table(schema, relation);
            }
        }
    }

    fn table(&mut self, schema: &Schema, relation: &Relation) {
        if !relation.is_table() || relation.is_global() {
            return;
        }
        let Some(column) = relation.tenant() else {
            return;
        };
        let shown = relation.display();
        let place = place_of(schema, relation);
        let condition = format!(
            "{} = {}",
            quote(&column.name),
            schema.catalog.config().tenant_expression()
        );
        let enable = format!(
            "ALTER TABLE {} ENABLE ROW LEVEL SECURITY",
            relation.qualified()
        );
        let force = format!(
            "ALTER TABLE {} FORCE ROW LEVEL SECURITY",
            relation.qualified()
        );
        let policy = format!(
            "CREATE POLICY tenant_isolation ON {} USING ({condition}) WITH CHECK ({condition})",
            relation.qualified()
        );
        let relaxed = schema.catalog.config().relax_force;
        match (relation.rls.enabled, relation.policies.is_empty()) {
            (false, true) => {
                let told = Finding::new(
                    Code::RLS_OFF,
                    place,
                    format!("`{shown}` has the tenant column `{}` and no row-level security", column.name),
                )
                .about(shown)
                .mend(enable)
                .mend(force)
                .mend(policy);
                self.found(match relation.kind {
                    RelationKind::Partition => told
                        .note("the policies of its parent don't hold when it is named itself")
                        .level(Level::Low)
                        .review(),
                    _ => told,
                });
            }
            (false, false) => self.found(
                Finding::new(
                    Code::POLICIES_IDLE,
                    place,
                    format!("`{shown}` has policies, but row-level security is not enabled, so they do nothing"),
                )
                .about(shown)
                .mend(enable)
                .mend(force),
            ),
            (true, _) if !relation.rls.forced && !relaxed => self.found(
                Finding::new(
                    Code::RLS_NOT_FORCED,
                    place,
                    format!("row-level security of `{shown}` does not hold for its owner"),
                )
                .note("whether the application connects as the owner is not in the migrations; `cargo watertight doctor` tells")
                .about(shown)
                .mend(force)
                .review(),
            ),
            (true, _) => self.policies(schema, relation, place),
        }
    }

    fn policies(&mut self, schema: &Schema, relation: &Relation, place: Place) {
        let shown = relation.display();
        let mut faults = Vec::new();
        let mut unknown = false;
        for command in Command::ALL {
            match schema.catalog.class(relation, command) {
                Class::Unprotected { reason, .. } => {
                    faults.push(format!("{}: {reason}", command.sql()))
                }
                Class::Unknown { reason, .. } => {
                    unknown = true;
                    faults.push(format!("{}: {reason}", command.sql()));
                }
                _ => {}
            }
        }
        if faults.is_empty() {
            self.clear(
                place,
                "row-level security is enabled and forced, and confines rows to the tenant",
            );
            return;
        }
        faults.dedup();
        let code = if unknown {
            Code::POLICY_UNKNOWN
        } else {
            Code::UNPROTECTED
        };
        let told = Finding::new(
            code,
            place,
            format!("the policies of `{shown}` could not be shown to confine rows to the tenant"),
        )
        .note(faults.join("\n"))
        .about(shown);
        self.found(match (unknown, schema.configured) {
            (false, true) => told,
            _ => told.level(Level::Medium).review(),
        });
    }
}

/// The place of a table in the migration that makes it.
pub(super) fn place_of(schema: &Schema, relation: &Relation) -> Place {
    let file = schema
        .files
        .iter()
        .find(|(path, ..)| *path == relation.created_in);
    match file {
        Some((_, shown, text)) => Place::source(shown.clone(), named_in(text, &relation.name)),
        None => Place::object("table", relation.qualified()),
    }
}

/// Where `CREATE TABLE … name` says the name.
fn named_in(text: &str, name: &str) -> Option<Range<usize>> {
    let upper = text.to_ascii_uppercase();
    let mut from = 0;
    while let Some(found) = upper.get(from..)?.find("CREATE ") {
        let start = from + found;
        let end = upper
            .get(start..)?
            .find(['(', ';'])
            .map_or(upper.len(), |it| start + it);
        let head = text.get(start..end)?;
        let whole = |at: usize| {
            let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !is_word(head.get(..at).and_then(|it| it.chars().next_back()))
                && !is_word(head.get(at + name.len()..).and_then(|it| it.chars().next()))
        };
        let lower = head.to_lowercase();
        let at = lower
            .match_indices(&name.to_lowercase())
            .map(|(at, _)| at)
            .find(|at| whole(*at));
        if upper.get(start..end)?.contains("TABLE")
            && let Some(at) = at
        {
            return Some(start + at..start + at + name.len());
        }
        from = end.max(start + 1);
    }
    None
}

/// What the catalog says of a migration.
fn migration(schema: &Schema, problem: &Diagnostic) -> Finding {
    let file = schema.files.iter().find(|(path, ..)| {
        problem
            .notes
            .iter()
            .any(|note| note.contains(path.as_str()))
            || problem.message.contains(path.as_str())
    });
    let (shown, text) = file.map_or(("migrations", ""), |(_, shown, text)| {
        (shown.as_str(), text.as_str())
    });
    let mut told = Finding::of_diagnostic(problem, shown);
    let line = problem.notes.iter().find_map(|note| {
        let (_, rest) = note.rsplit_once(" line ")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    if problem.span.is_none() {
        let names = || problem.message.split('`').skip(1).step_by(2);
        let span = line
            .and_then(|line| span_of(text, line))
            .or_else(|| names().find_map(|name| named_in(text, name.rsplit('.').next()?)));
        told.place = Place::source(shown.to_owned(), span);
    }
    let told = told.about(problem.message.clone());
    match (problem.is_error(), schema.configured) {
        (true, true) => told,
        // A file that can't be read may make any table.
        (true, false) if problem.code == Code::CATALOG_MISSING => {
            told.level(Level::Medium).review()
        }
        (true, false) => told.review(),
        // Side channels of the schema: worth a look, and no leak of a row.
        (false, _) => told.level(Level::Low).review(),
    }
}

/// A line of a text, by its number from one, without the white space around it.
fn span_of(text: &str, line: usize) -> Option<Range<usize>> {
    let mut lines = text.split_inclusive('\n');
    let offset: usize = lines
        .by_ref()
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let line = lines.next()?;
    let start = offset + line.len() - line.trim_start().len();
    let plain = line.trim();
    (!plain.is_empty()).then(|| start..start + plain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_where_it_is_made() {
        let text = "-- notes\nCREATE TABLE IF NOT EXISTS app.\"notes\" (id int);\nCREATE TABLE notes_old(id int);";
        let found = named_in(text, "notes").unwrap();
        assert_eq!(found.start, text.find("\"notes\"").unwrap() + 1);
        let found = named_in(text, "notes_old").unwrap();
        assert_eq!(&text[found], "notes_old");
    }
}
