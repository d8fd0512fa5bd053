//! Statements of migrations: raw tree to the form that the catalog is built from.
//!
//! Invariant: a statement that is neither modelled nor listed as harmless is `Unknown`, and
//! everything that exists by then may have been touched by it.

mod bridge;
pub(crate) mod ir;
mod lower;
mod nodes;
mod object;
pub(crate) mod plpgsql;
mod routine;
pub(crate) mod script;
mod setting;
mod table;

use crate::diagnostic::Diagnostic;
use crate::parse::{self, Limits};
use bridge::Lowering;
pub(crate) use bridge::statements;
use ir::Step;
pub(crate) use setting::split_path;

/// The statements of one migration in order.
///
/// # Errors
/// Text that is not PostgreSQL's SQL, and psql commands that are not known.
pub(crate) fn steps(text: &str) -> Result<Vec<Step>, Vec<Diagnostic>> {
    let text = script::blank(text).map_err(|error| vec![*error])?;
    let parsed = parse::statements(&text, Limits::MIGRATION)?;
    let lowering = Lowering::new(&text, &parsed.tokens);
    Ok(parsed
        .statements
        .iter()
        .map(|statement| Step {
            span: statement.span.clone(),
            ddl: lower::statement(&statement.node, &statement.span, &lowering),
        })
        .collect())
}

/// The parts of a qualified name as text, folded unless quoted; nothing for other text.
pub(crate) fn plain_name(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut rest = text.trim().chars().peekable();
    while let Some(c) = rest.next() {
        let part = parts.last_mut()?;
        match c {
            '"' if part.is_empty() => loop {
                match rest.next()? {
                    '"' if rest.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    c => part.push(c),
                }
            },
            '.' => parts.push(String::new()),
            c if c.is_ascii_alphanumeric() || c == '_' => part.push(c.to_ascii_lowercase()),
            _ => return None,
        }
    }
    parts.iter().all(|part| !part.is_empty()).then_some(parts)
}
