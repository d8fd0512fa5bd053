//! How sure a refusal is: a finding, or something that a person has to look at.
//!
//! Without a configuration only what surely reaches foreign rows is a finding. Invariant: what the prover
//! refused is never left out here.

use watertight_analysis::finding::{Finding, Level, Verdict, rule};
use watertight_analysis::{Code, Diagnostic};

use super::super::schema::Schema;
use super::parameters::Named;

/// Codes that say for sure that foreign rows are reached.
pub(super) const CERTAIN: [Code; 8] = [
    Code::UNPINNED,
    Code::OUTER_JOIN,
    Code::WRONG_PLACE,
    Code::FOREIGN_WRITE,
    Code::TENANT_ASSIGNED,
    Code::UPSERT,
    Code::MATERIALIZED,
    Code::DEFINER_VIEW,
];
/// Codes that say that something is not known, or that the text is no statement of PostgreSQL.
pub(super) const UNSURE: [Code; 16] = [
    Code::SYNTAX,
    Code::TOO_LARGE,
    Code::NOT_ONE_STATEMENT,
    Code::NOT_UNDERSTOOD,
    Code::INVALID,
    Code::UNKNOWN_RELATION,
    Code::UNKNOWN_COLUMN,
    Code::AMBIGUOUS_COLUMN,
    Code::METADATA,
    Code::UNKNOWN_FUNCTION,
    Code::UNKNOWN_OPERATOR,
    Code::UNKNOWN_TYPE,
    Code::MIXED_PARAMETERS,
    Code::PARAMETER_GAP,
    Code::UNKNOWN_PARAMETER,
    Code::UNUSED_PARAMETER,
];
pub(super) fn described(mut told: Finding, problem: &Diagnostic) -> Finding {
    let words = |text: &String| Named::in_numbers(text);
    told.message = Named::in_numbers(&told.message);
    told.label = problem.label.as_ref().map(words);
    told.notes = problem.notes.iter().map(words).collect();
    told.help = problem.help.iter().map(words).collect();
    told
}

/// How sure a refusal is, for a package that says what its tenant is and for one that does not.
pub(super) fn weighed(schema: &Schema, told: Finding, taken: bool) -> Finding {
    let sure = CERTAIN.contains(&told.code);
    if !taken {
        // Whether it is sent at all is not known.
        return match sure {
            true => told
                .note("nothing that is known takes this statement")
                .review(),
            false => told.level(Level::Low).review(),
        };
    }
    match (sure, schema.configured) {
        (true, _) => told,
        (false, true) if !UNSURE.contains(&told.code) => told,
        _ if UNSURE.contains(&told.code) => told.level(Level::Low).review(),
        // What an error could tell, in a project that has other things to do first.
        (false, false) if told.code == Code::LEAKY_ERROR => told.level(Level::Low).review(),
        _ => {
            let level = rule(told.code).level.min(Level::Medium);
            told.level(level).review()
        }
    }
}

/// What is only unknown of one statement is one entry: what it is of first, the rest as notes.
pub(super) fn merged(told: Vec<Finding>) -> Vec<Finding> {
    let (mut kept, unsure): (Vec<Finding>, Vec<Finding>) = told
        .into_iter()
        .partition(|it| it.verdict == Verdict::Finding);
    // A statement that reads the server's catalogs is about those.
    let first = unsure
        .iter()
        .position(|it| it.code == Code::METADATA)
        .or_else(|| {
            let worst = unsure.iter().map(|it| it.level).max();
            unsure.iter().position(|it| Some(it.level) == worst)
        });
    let mut unsure = unsure;
    if let Some(first) = first {
        let mut one = unsure.remove(first);
        for other in unsure.into_iter().take(4) {
            one.notes.push(format!("{}: {}", other.code, other.message));
        }
        kept.push(one);
    }
    kept
}
