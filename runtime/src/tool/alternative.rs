//! Which of several schemas a client meant, where its value fits none: the variant of an enum by its
//! tag, the value of an `Option` that is not null.
//!
//! Invariant: only kinds of errors and places are looked at, never a value that was sent.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;

use super::schema::plain;

/// What was meant.
pub(super) enum Meant<'e> {
    /// One of the schemas, by its first error.
    Branch(&'e ValidationError<'static>),
    /// None by its tag: where the tag stands, and what it can be.
    Tag(&'e str, Vec<String>),
}

/// Finds it among the errors of each schema for the value at `place`.
pub(super) fn meant<'e>(
    branches: &'e [Vec<ValidationError<'static>>],
    place: &str,
) -> Option<Meant<'e>> {
    // A value of another type, or under another tag, was meant for another schema.
    let fitting = branches.iter().filter(|errors| {
        !errors.iter().any(|error| {
            is_at(error, place) && is_of_another_kind(error) || tag(error, place).is_some()
        })
    });
    let inside =
        |errors: &&Vec<ValidationError<'static>>| errors.iter().all(|error| !is_at(error, place));
    let branch = only(fitting.clone()).or_else(|| only(fitting.filter(inside)));
    if let Some(error) = branch.and_then(|errors| errors.first()) {
        return Some(Meant::Branch(error));
    }
    let tags: Option<Vec<(&str, String)>> = branches
        .iter()
        .map(|errors| errors.iter().find_map(|error| tag(error, place)))
        .collect();
    let tags = tags?;
    let (at, _) = tags.first()?;
    let same = tags.iter().all(|(other, _)| other == at);
    same.then(|| Meant::Tag(at, tags.iter().map(|(_, tag)| tag.clone()).collect()))
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

fn is_at(error: &ValidationError<'_>, place: &str) -> bool {
    error.instance_path().as_str() == place
}

fn is_of_another_kind(error: &ValidationError<'_>) -> bool {
    matches!(
        error.kind(),
        ValidationErrorKind::Type { .. }
            | ValidationErrorKind::Constant { .. }
            | ValidationErrorKind::Enum { .. }
    )
}

/// A tag that differs: a constant of a property right below the place.
fn tag<'e>(error: &'e ValidationError<'static>, place: &str) -> Option<(&'e str, String)> {
    let at = error.instance_path().as_str();
    let name = at.strip_prefix(place)?.strip_prefix('/')?;
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } if !name.contains('/') => {
            Some((at, plain(expected_value)))
        }
        _ => None,
    }
}
