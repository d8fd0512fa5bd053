//! Files of statements that nothing names.

use std::sync::Arc;

use watertight_analysis::finding::{Finding, Place};
use watertight_analysis::script::split;

use super::Judge;
use super::ask::{Answers, Outcome, judge};
use super::statements::{is_data, key};
use super::weigh::{described, weighed};

impl Judge<'_> {
    /// Files of statements that nothing names, migrations and seeds left out.
    pub(super) fn loose(&mut self, known: &mut Answers) {
        let workspace = self.workspace;
        for (path, text, package) in &workspace.loose {
            let shown = workspace.shown(path);
            let Some(schema) = self.schemas.get(*package).cloned() else {
                continue;
            };
            if self.is_foreign(*package) {
                continue;
            }
            let lower = shown.to_lowercase();
            let apart = [
                "migration",
                "seed",
                "fixture",
                "test",
                "example",
                "dump",
                "demo",
            ];
            if self.verdicts.texts.iter().any(|(sent, _)| *sent == shown) {
                // It was judged where it is sent.
                continue;
            }
            let is_schema = schema.files.iter().any(|(_, file, _)| *file == shown)
                || text.to_ascii_uppercase().contains("CREATE ");
            if is_schema || apart.iter().any(|it| lower.contains(it)) {
                continue;
            }
            for range in split(text) {
                let Some(sql) = text.get(range.clone()) else {
                    continue;
                };
                if !is_data(sql) {
                    continue;
                }
                let asked = (Arc::as_ptr(&schema.catalog), sql.to_owned(), Vec::new());
                let outcome = known
                    .entry(asked)
                    .or_insert_with(|| judge(&schema, sql, &[]))
                    .clone();
                let place = |span: &std::ops::Range<usize>| {
                    Place::source(
                        shown.clone(),
                        Some(range.start + span.start..range.start + span.end),
                    )
                };
                self.verdicts.texts.push((shown.clone(), text.clone()));
                match outcome {
                    Outcome::Proved { .. } => {
                        self.clear(place(&(0..sql.len())), "it stays within the tenant");
                    }
                    Outcome::Refused(problems) => {
                        for problem in problems {
                            let span = problem.span.clone().unwrap_or(0..sql.len());
                            let told =
                                Finding::new(problem.code, place(&span), problem.message.clone());
                            let told = described(told, &problem).about(key(sql));
                            self.found(weighed(&schema, told, false));
                        }
                    }
                }
            }
        }
    }
}
