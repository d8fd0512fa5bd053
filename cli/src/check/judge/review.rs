//! What a reviewer has to know: exceptions with their reasons, names that only generated code may
//! use, and everything that could not be looked into.

use std::collections::HashSet;

use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Place};

use super::super::facts::OURS_BY_MACRO;
use super::{Judge, finding};

impl Judge<'_> {
    /// Files that no target declares, once for each package.
    fn strays(&mut self) {
        for index in 0..self.workspace.packages.len() {
            let strays: Vec<&str> = self
                .workspace
                .strays
                .iter()
                .filter(|(_, package)| *package == index)
                .map(|(shown, _)| shown.as_str())
                .collect();
            let Some(first) = strays.first() else {
                continue;
            };
            let told = Finding::new(
                Code::UNSEEN,
                Place::source((*first).to_owned(), None),
                match strays.len() {
                    1 => "no target declares this file by `mod`, and it names a database".to_owned(),
                    many => format!("no target declares this file and {} others by `mod`, and they name a database", many - 1),
                },
            )
            .about("strays");
            self.found(told.review());
        }
    }

    pub(super) fn review(&mut self) {
        let workspace = self.workspace;
        for file in &workspace.files {
            for exception in file.exceptions.iter().filter(|it| !it.test && !file.test) {
                let told = finding(
                    Code::EXCEPTION,
                    file,
                    &exception.span,
                    format!("`{}` is an exception: {}", exception.place, exception.rule),
                )
                .note(format!("the reason: {}", exception.reason))
                .about(format!("{} {}", exception.rule, exception.place));
                self.found(told.review());
            }
            for span in &file.hidden {
                let told = finding(
                    Code::HIDDEN_CONSTRUCTOR,
                    file,
                    span,
                    "`watertight::__private` is named by hand: what it makes counts as proved, and nothing proved it",
                )
                .help("`#[tenant_query]`, or `unproved!` with a reason")
                .about(span.start.to_string());
                self.found(told);
            }
            for (what, span) in &file.unseen {
                let deeper = match what.as_str() {
                    OURS_BY_MACRO => "`cargo watertight check --build` sees them",
                    _ => "`cargo watertight check --expanded` sees what macros made",
                };
                let told = finding(Code::UNSEEN, file, span, what.clone())
                    .note(deeper)
                    .about(format!("{what} {}", span.start));
                self.found(told.review());
            }
        }
        for unreadable in &workspace.unreadable {
            let span = unreadable.at..unreadable.at + 1;
            let place = Place::source(unreadable.shown.clone(), Some(span));
            let message = format!("this file was not looked at: {}", unreadable.why);
            self.verdicts
                .texts
                .push((unreadable.shown.clone(), unreadable.text.clone()));
            self.found(Finding::new(Code::UNREADABLE_SOURCE, place, message).review());
        }
        self.strays();
        let mut seen = HashSet::new();
        for schema in self.schemas {
            if !seen.insert(std::sync::Arc::as_ptr(&schema.catalog)) || !schema.configured {
                continue;
            }
            let place = workspace.shown(&schema.base.join("watertight.toml"));
            let config = schema.catalog.config();
            let functions = config
                .functions
                .iter()
                .map(|it| (format!("the function `{}`", it.name), &it.reason));
            let names = config
                .not_tenant
                .iter()
                .map(|it| (format!("the name `{}`", it.name), &it.reason));
            for (what, reason) in functions.chain(names) {
                let told = Finding::new(
                    Code::EXCEPTION,
                    Place::source(place.clone(), None),
                    format!("{what} is an exception"),
                )
                .note(format!("the reason: {reason}"))
                .about(what);
                self.found(told.review());
            }
        }
    }
}
