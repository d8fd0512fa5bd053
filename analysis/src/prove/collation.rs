//! Which collation a comparison of texts goes by.
//!
//! PostgreSQL takes it from the operands; where two columns bring different ones, it raises an error
//! at the first row that is compared, also in front of a policy, since comparisons leak nothing
//! otherwise. Invariant: a comparison whose operands bring different collations is refused.

use std::rc::Rc;

use super::state::{Info, Prover};
use crate::catalog::{Column, TypeKind};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::operators;
use crate::functions::types::Ty;
use crate::ir::{Name, Span};

/// The collation that a value brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Collation {
    /// The database's own, or none: it yields to any other.
    #[default]
    Own,
    /// That of a column.
    Column(Rc<str>),
    /// One that the statement says by `COLLATE`.
    Said(Rc<str>),
    /// Different ones of columns.
    Conflict,
}

impl Collation {
    /// The collation of both.
    pub(super) fn join(&mut self, other: &Collation) {
        let joined = match (&*self, other) {
            (Collation::Said(_), _) | (_, Collation::Own) => return,
            (_, Collation::Said(_)) | (Collation::Own, _) => other,
            (a, b) if a == b => return,
            _ => &Collation::Conflict,
        };
        *self = joined.clone();
    }

    /// As a reader of a sub-query's column sees it: what the statement said there is the column's.
    pub(super) fn of_column(&mut self) {
        if let Collation::Said(name) = self {
            *self = Collation::Column(Rc::clone(name));
        }
    }
}

impl Info {
    /// Forgets the collation of a value that has none.
    pub(super) fn settle_collation(&mut self) {
        if self.ty.as_ref().is_some_and(|ty| !is_collated(ty)) {
            self.collation = Collation::Own;
        }
    }
}

fn is_collated(ty: &Ty) -> bool {
    matches!(
        ty.name.as_str(),
        "text" | "varchar" | "bpchar" | "name" | "citext"
    )
}

impl Prover<'_> {
    /// The collation of a column of a table.
    pub(super) fn collation_of(&self, column: &Column, ty: Option<&Ty>) -> Collation {
        if let Some(name) = column.collation.as_ref().and_then(|name| name.parts.last()) {
            return named(name, Collation::Column);
        }
        // A domain can bring one, which is not kept.
        if let Some(name) = column.ty.as_ref().and_then(|ty| ty.name.parts.last())
            && ty.is_none_or(|ty| ty.domain)
            && self.catalog.types_named(name).any(|ty| {
                matches!(&ty.kind, TypeKind::Domain { expressions, .. }
                    if expressions.iter().any(Option::is_none))
            })
        {
            return Collation::Column(format!("domain {name}").into());
        }
        match ty {
            Some(ty) if ty.name == "name" => Collation::Column("C".into()),
            _ => Collation::Own,
        }
    }

    /// Refuses an operator that compares texts of different collations.
    pub(super) fn check_operator_collations(&mut self, name: &Name, operands: &[&Info]) {
        let compares = name.parts.last().is_some_and(|name| {
            // `LIKE` compares byte by byte, whatever the collation.
            operators::wants_strict(name) && !matches!(name.as_str(), "~~" | "!~~")
                || matches!(
                    name.as_str(),
                    "=" | "<>" | "<" | "<=" | ">" | ">=" | "@>" | "<@" | "&&"
                )
        });
        if let (true, [left, right]) = (compares, operands) {
            self.check_collations(&[left, right], &name.span);
        }
    }

    /// Refuses what compares texts of different collations.
    pub(super) fn check_collations(&mut self, operands: &[&Info], span: &Span) {
        if let [left, right] = operands
            && !left.parts.is_empty()
            && left.parts.len() == right.parts.len()
        {
            for pair in left.parts.iter().zip(&right.parts) {
                self.check_collations(&[pair.0, pair.1], span);
            }
            return;
        }
        let mut collation = Collation::Own;
        for operand in operands {
            collation.join(&operand.collation);
        }
        let text = |info: &&&Info| info.ty.as_ref().is_some_and(is_collated);
        if collation == Collation::Conflict && operands.iter().any(|info| text(&info)) {
            self.problem(
                Diagnostic::error(
                    Code::INVALID,
                    "PostgreSQL can't tell which collation this goes by: the columns have different ones, and the first row that gets here raises an error",
                )
                .at(span.clone())
                .help("say which one is meant, as in `a = b COLLATE \"C\"`"),
            );
        }
    }
}

/// A collation by its name; `default` is the database's own.
pub(super) fn named(name: &str, of: fn(Rc<str>) -> Collation) -> Collation {
    match (name, of(name.into())) {
        ("default", Collation::Column(_)) => Collation::Own,
        (_, collation) => collation,
    }
}

/// Whether a function compares the texts that it is given, or depends on their collation.
pub(super) fn is_sensitive(name: &str) -> bool {
    matches!(
        name,
        "lower"
            | "upper"
            | "initcap"
            | "replace"
            | "strpos"
            | "position"
            | "starts_with"
            | "split_part"
            | "string_to_array"
            | "string_to_table"
            | "max"
            | "min"
            | "array_position"
            | "array_positions"
            | "array_remove"
            | "array_replace"
    ) || name.starts_with("regexp_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_takes_from_two_operands() {
        let column = |name: &str| Collation::Column(name.into());
        let said = |name: &str| Collation::Said(name.into());
        let joined = |mut a: Collation, b: Collation| {
            a.join(&b);
            a
        };
        assert_eq!(joined(Collation::Own, column("C")), column("C"));
        assert_eq!(joined(column("C"), Collation::Own), column("C"));
        assert_eq!(joined(column("C"), column("C")), column("C"));
        assert_eq!(joined(column("C"), column("POSIX")), Collation::Conflict);
        assert_eq!(joined(Collation::Conflict, said("C")), said("C"));
        assert_eq!(joined(said("C"), Collation::Conflict), said("C"));
        assert_eq!(
            joined(Collation::Conflict, column("C")),
            Collation::Conflict
        );
    }
}
