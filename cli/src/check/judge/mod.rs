//! Judges the facts of a workspace: one file for each kind of finding.
//!
//! Invariant: what can't be told needs review or is listed as unseen; only what was looked at and
//! holds is clear. Code that is built for tests only is not judged.

mod ask;
mod audit;
mod byhand;
mod dependencies;
mod errors;
mod loose;
mod names;
mod origin;
mod parameters;
mod pool;
mod review;
mod sent;
mod setting;
mod statements;
mod tables;
mod texts;
mod tools;
mod ways;
mod weigh;
mod whole;

use std::collections::HashSet;
use std::sync::Arc;

use watertight_analysis::Code;
use watertight_analysis::finding::{Clear, Finding, Level, Place};

use super::facts::{FileFacts, Span};
use super::schema::Schema;
use super::sources::Workspace;
use names::Names;

/// What was judged.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) findings: Vec<Finding>,
    pub(crate) clear: Vec<Clear>,
    /// Texts of files beside the sources that findings point into: path and text.
    pub(crate) texts: Vec<(String, String)>,
}

/// Judges everything.
pub(crate) fn judge(workspace: &Workspace, schemas: &[Arc<Schema>]) -> Verdicts {
    let mut judge = Judge {
        workspace,
        schemas,
        names: Names::new(workspace),
        examples: workspace
            .files
            .iter()
            .filter(|file| file.example)
            .map(|file| file.shown.as_str())
            .collect(),
        verdicts: Verdicts::default(),
    };
    judge.tools();
    judge.statements();
    judge.pools();
    judge.tables();
    judge.messages();
    judge.audit();
    judge.review();
    judge.dependencies();
    judge.foreign();
    judge.verdicts
}

/// One look at a workspace.
struct Judge<'a> {
    workspace: &'a Workspace,
    /// By the position of the package.
    schemas: &'a [Arc<Schema>],
    names: Names<'a>,
    /// Files of examples, as reports show them.
    examples: HashSet<&'a str>,
    verdicts: Verdicts,
}

impl<'a> Judge<'a> {
    fn found(&mut self, finding: Finding) {
        let example = match &finding.place {
            Place::Source { path, .. } => self.examples.contains(path.as_str()),
            Place::Object { .. } => false,
        };
        self.verdicts.findings.push(match example {
            true => finding
                .note("it is in an example: whether that is ever run for tenants is not known")
                .level(Level::Low)
                .review(),
            false => finding,
        });
    }

    fn clear(&mut self, place: Place, reason: impl Into<String>) {
        self.verdicts.clear.push(Clear::new(place, reason));
    }

    fn schema(&self, package: usize) -> Option<&'a Schema> {
        self.schemas.get(package).map(|schema| &**schema)
    }

    /// Whether a package speaks to another database than PostgreSQL, and to none such.
    fn is_foreign(&self, package: usize) -> bool {
        let files = || {
            let files = self.workspace.files.iter();
            files.filter(|file| file.package == package && !file.test)
        };
        let ours = ["PgPool", "PgConnection", "Postgres", "tokio_postgres"];
        files().any(|file| file.foreign)
            && !files().any(|file| ours.iter().any(|it| file.text.contains(it)))
    }

    /// Packages whose statements are those of another database.
    fn foreign(&mut self) {
        for package in 0..self.workspace.packages.len() {
            let file = self.workspace.files.iter().find(|file| {
                file.package == package && file.foreign && !file.test && self.is_foreign(package)
            });
            if let Some(file) = file {
                let told = Finding::new(
                    Code::UNSEEN,
                    Place::source(file.shown.clone(), None),
                    "this package speaks to SQLite or MySQL: its statements and migrations are not judged, and neither has row-level security",
                )
                .help("each statement needs its tenant in its own filter, and a look by a person")
                .about("another database");
                self.found(told.review());
            }
        }
    }

    /// Whether a package is written with watertight, so that everything else goes beside it.
    fn is_watertight(&self, package: usize) -> bool {
        self.workspace
            .packages
            .get(package)
            .is_some_and(|package| package.depends_on("watertight"))
    }
}

/// The place of a range of a source file.
fn at(file: &FileFacts, span: &Span) -> Place {
    Place::source(file.shown.clone(), Some(span.clone()))
}

fn finding(code: Code, file: &FileFacts, span: &Span, message: impl Into<String>) -> Finding {
    Finding::new(code, at(file, span), message)
}
