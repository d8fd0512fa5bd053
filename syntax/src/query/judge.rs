//! Asks the analysis about one literal and turns its diagnostics into errors at that literal.
//!
//! Invariant: the only module of the macros that calls the prover. A `Judged` exists only for a
//! statement that was proved, and its text is the text that the proof is about.

use std::ops::Range;

use proc_macro2::Span;
use watertight_analysis::diagnostic::{Code, Diagnostic};
use watertight_analysis::prepare::{Prepared, TenantBinding, prepare};
use watertight_analysis::prove::{Proof, prove, prove_system, prove_unproved};

use crate::errors::Errors;
use crate::project::{Project, render};

/// Which question is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    /// Does it stay within one tenant?
    Tenant,
    /// Is it one statement over relations that the database itself protects?
    Unproved,
    /// Does it stay within these tables?
    System(&'a [String]),
}

/// What the analysis says about one statement; `proof` is absent if it was refused.
pub(super) struct Judged {
    pub(super) prepared: Prepared,
    pub(super) proof: Option<Proof>,
    source: String,
    span: Span,
}

/// Judges `source`, the value of the literal at `span`. Refusals are recorded.
pub(super) fn judge(
    project: &Project,
    source: &str,
    span: Span,
    binding: TenantBinding,
    question: Question<'_>,
    errors: &mut Errors,
) -> Option<Judged> {
    let refuse = |diagnostics: Vec<Diagnostic>, errors: &mut Errors| {
        for diagnostic in diagnostics {
            errors.push_at(span, render(&diagnostic, source));
        }
    };
    let catalog = &project.catalog;
    let prepared = match prepare(source, binding, catalog.config()) {
        Ok(prepared) => prepared,
        Err(diagnostics) => {
            refuse(diagnostics, errors);
            return None;
        }
    };
    let verdict = match question {
        Question::Tenant => prove(catalog, &prepared),
        Question::Unproved => prove_unproved(catalog, &prepared),
        Question::System(tables) => prove_system(catalog, &prepared, tables),
    };
    let proof = match verdict {
        Ok(proof) => Some(proof),
        Err(diagnostics) => {
            refuse(diagnostics, errors);
            None
        }
    };
    Some(Judged {
        prepared,
        proof,
        source: source.to_owned(),
        span,
    })
}

impl Judged {
    /// Records an error about a parameter, with carets under its first occurrence.
    pub(super) fn refuse_parameter(
        &self,
        name: &str,
        message: String,
        help: String,
        errors: &mut Errors,
    ) {
        let mut diagnostic = Diagnostic::error(Code::UNKNOWN_PARAMETER, message);
        if let Some(place) = find_parameter(&self.source, name) {
            diagnostic = diagnostic.at(place);
        }
        errors.push_at(self.span, render(&diagnostic.help(help), &self.source));
    }
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
