//! Asks the analysis about one text and turns its diagnostics into errors where the text stands.
//!
//! Invariant: the only module of the macros that calls the prover. A `Judged` with a proof exists
//! only for a statement that was proved, and its text is the text that the proof is about.

use std::ops::Range;
use std::sync::Arc;

use proc_macro2::Span;
use syn::LitStr;
use watertight_analysis::catalog::Catalog;
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::on_kept_worker;
use watertight_analysis::prepare::{Prepared, TenantBinding, prepare};
use watertight_analysis::prove::{Proof, prove, prove_system, prove_unproved};

use super::attr::QueryAttr;
use crate::errors::Errors;
use crate::project::{Files, Project, StatementFile, render};

/// Which question is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Does it stay within one tenant?
    Tenant,
    /// Is it one statement over relations that the database itself protects?
    Unproved {
        /// Why it has to do without a proof.
        reason: String,
    },
    /// Does it stay within these tables?
    System {
        /// The role that it runs as.
        role: String,
        /// The tables that it may touch.
        tables: Vec<String>,
        /// Why it needs no tenant.
        reason: String,
    },
}

/// A text that was judged while an item was expanded.
#[derive(Debug)]
pub struct Judgement {
    /// The function that it stands in.
    pub function: String,
    /// Which of its bounded choices it is, such as "`sort` = `newest`"; absent without choices.
    pub combination: Option<String>,
    /// The file of the statement, where the source only names it.
    pub file: Option<String>,
    /// The attribute's `catalog = "…"`.
    pub catalog: Option<String>,
    /// What was asked.
    pub question: Question,
    /// The text as written, with its choices filled in.
    pub source: String,
    /// The text that is sent; absent if its parameters are wrong.
    pub sql: Option<String>,
    /// Why it is fine; absent if it is refused.
    pub proof: Option<Proof>,
    /// Why a client may be told the tenant; absent where the rows don't tell it.
    pub returns_tenant: Option<String>,
    /// Where it stands in the source.
    pub span: Span,
}

/// The work on one item: what it may read, what is wrong with it, and what was judged.
pub(super) struct Desk<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) errors: Errors,
    pub(super) judged: Vec<Judgement>,
    /// The paths of statement files, for the compiler to watch.
    pub(super) read: Vec<String>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(files: &'a dyn Files) -> Self {
        Self {
            files,
            errors: Errors::default(),
            judged: Vec::new(),
            read: Vec::new(),
        }
    }

    /// The project of the call; an error stands at `catalog`, else at `place`.
    pub(super) fn project(
        &mut self,
        catalog: Option<&LitStr>,
        place: Span,
    ) -> Option<Arc<Project>> {
        match self.files.project(catalog.map(LitStr::value).as_deref()) {
            Ok(project) => Some(project),
            Err(message) => {
                let place = catalog.map_or(place, LitStr::span);
                match self.files.is_told(&message) {
                    true => self.errors.told_elsewhere(),
                    false => self.errors.push_at(place, message),
                }
                None
            }
        }
    }

    /// The statement in a file, whose path is a literal in the source.
    pub(super) fn file(&mut self, path: &LitStr) -> Option<Text> {
        match self.files.statement(&path.value()) {
            Ok(StatementFile { path: found, text }) => {
                if !self.read.contains(&found) {
                    self.read.push(found);
                }
                Some(Text {
                    source: text,
                    span: path.span(),
                    file: Some(path.value()),
                    fragments: Vec::new(),
                })
            }
            Err(message) => {
                self.errors.push_at(path.span(), message);
                None
            }
        }
    }
}

/// A text and where its parts stand in the user's source.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) source: String,
    /// The literal that holds it, or that names its file.
    pub(super) span: Span,
    pub(super) file: Option<String>,
    /// What came from other literals.
    pub(super) fragments: Vec<(Range<usize>, Span)>,
}

impl Text {
    pub(super) fn literal(literal: &LitStr) -> Self {
        Self {
            source: literal.value(),
            span: literal.span(),
            file: None,
            fragments: Vec::new(),
        }
    }

    /// Records a diagnostic at the literal that it is about.
    pub(super) fn refuse(&self, diagnostic: &Diagnostic, errors: &mut Errors) {
        let span = diagnostic.span.as_ref();
        let fragment = self.fragments.iter().find(|(place, _)| {
            span.is_some_and(|span| place.start <= span.start && span.end <= place.end)
        });
        let mut message = render(diagnostic, &self.source);
        if let Some(file) = &self.file {
            let place = span.map_or_else(String::new, |span| position(&self.source, span.start));
            let end = message.find('\n').unwrap_or(message.len());
            message.insert_str(end, &format!("\n  --> {file}{place}"));
        }
        errors.push_at(fragment.map_or(self.span, |(_, span)| *span), message);
    }
}

/// `:line:column`, both from one.
fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!(":{line}:{column}")
}

/// What the analysis says about one text.
pub(super) struct Judged {
    /// Absent if the parameters could not be read.
    pub(super) prepared: Option<Prepared>,
    /// Absent if it was refused.
    pub(super) proof: Option<Proof>,
    /// What keeps it from being proved.
    pub(super) problems: Vec<Diagnostic>,
}

/// Judges a text. Nothing is told yet.
pub(super) fn judge(
    project: &Arc<Project>,
    source: &str,
    binding: TenantBinding,
    question: &Question,
) -> Judged {
    let (project, source, question) = (Arc::clone(project), source.to_owned(), question.clone());
    on_kept_worker(move || judge_here(&project.catalog, &source, binding, &question))
        .unwrap_or_else(|bug| Judged {
            prepared: None,
            proof: None,
            problems: vec![*bug],
        })
}

fn judge_here(
    catalog: &Catalog,
    source: &str,
    binding: TenantBinding,
    question: &Question,
) -> Judged {
    let prepared = match prepare(source, binding, catalog.config()) {
        Ok(prepared) => prepared,
        Err(problems) => {
            return Judged {
                prepared: None,
                proof: None,
                problems,
            };
        }
    };
    let verdict = match question {
        Question::Tenant => prove(catalog, &prepared),
        Question::Unproved { .. } => prove_unproved(catalog, &prepared),
        Question::System { tables, .. } => prove_system(catalog, &prepared, tables),
    };
    let (proof, problems) = match verdict {
        Ok(proof) => (Some(proof), Vec::new()),
        Err(problems) => (None, problems),
    };
    Judged {
        prepared: Some(prepared),
        proof,
        problems,
    }
}

/// Judges a text that stands alone, tells what is wrong with it, and keeps it in the record.
pub(super) fn judge_alone(
    desk: &mut Desk<'_>,
    project: &Arc<Project>,
    text: &Text,
    binding: TenantBinding,
    question: &Question,
    (function, attr): (&str, &QueryAttr),
) -> (Option<Prepared>, Option<Proof>) {
    let judged = judge(project, &text.source, binding, question);
    for problem in &judged.problems {
        text.refuse(problem, &mut desk.errors);
    }
    desk.judged.push(Judgement {
        function: function.to_owned(),
        combination: None,
        file: text.file.clone(),
        catalog: attr.catalog.as_ref().map(LitStr::value),
        question: question.clone(),
        source: text.source.clone(),
        sql: judged.prepared.as_ref().map(|found| found.sql.clone()),
        proof: judged.proof.clone(),
        returns_tenant: attr.reason_to_tell(text, judged.proof.as_ref()),
        span: text.span,
    });
    (judged.prepared, judged.proof)
}

/// An error about a parameter, with carets under its first occurrence.
pub(super) fn about_parameter(
    source: &str,
    name: &str,
    message: String,
    help: String,
) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(Code::UNKNOWN_PARAMETER, message);
    if let Some(place) = find_parameter(source, name) {
        diagnostic = diagnostic.at(place);
    }
    diagnostic.help(help)
}

/// Where `$name` stands, for the carets only: the lexer has already said that it is a parameter.
fn find_parameter(source: &str, name: &str) -> Option<Range<usize>> {
    let wanted = format!("${name}");
    source
        .match_indices(&wanted)
        .map(|(start, _)| start..start + wanted.len())
        .find(|place| {
            !source
                .get(place.end..)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
}
