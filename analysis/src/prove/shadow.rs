//! Names that a migration can take over: operators and collations that PostgreSQL could choose
//! instead of its own.
//!
//! Invariant: an operator counts as PostgreSQL's own only where none of the migrations could be meant
//! for operands of these types, also where a form such as `IN` or `BETWEEN` calls it unnamed.

use super::state::{Info, Prover};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::operators;
use crate::functions::types::{self, Ty};
use crate::ir::{Name, Span, TypeName};

impl Prover<'_> {
    /// Refuses an operator that is not PostgreSQL's own, or that a migration shadows for operands
    /// of these types.
    pub(super) fn check_operator(&mut self, name: &Name, operands: &[&Info]) {
        self.check_operator_collations(name, operands);
        let (own, operator) = match name.parts.as_slice() {
            [operator] => (false, operator),
            [schema, operator] if schema == "pg_catalog" => (true, operator),
            [schema, operator]
                if matches!(schema.as_str(), "public" | "extensions")
                    && self.extension_operator(operator, operands) =>
            {
                (false, operator)
            }
            _ => {
                self.problem(
                    Diagnostic::error(
                        Code::UNKNOWN_OPERATOR,
                        format!(
                            "the operator `{}` is not PostgreSQL's own",
                            name.parts.join(".")
                        ),
                    )
                    .at(name.span.clone()),
                );
                return;
            }
        };
        let extension = !own && self.extension_operator(operator, operands);
        if !operators::is_builtin(operator) && !extension {
            self.problem(
                Diagnostic::error(
                    Code::UNKNOWN_OPERATOR,
                    format!("the operator `{operator}` is not PostgreSQL's own, so what it computes is not known"),
                )
                .at(name.span.clone())
                .help("use an operator of PostgreSQL's own, cast its operands where it is one of pgvector or pg_trgm, as in `$q::vector`, or call its function and allow that in `watertight.toml`: [[functions]] name = \"…\", reason = \"…\""),
            );
        } else if !own && (self.shadowed(operator) || self.could_choose(operator, operands)) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!("a migration defines an operator `{operator}`, which PostgreSQL could choose instead of its own"),
                )
                .at(name.span.clone())
                .help(format!("write `OPERATOR(pg_catalog.{operator})`")),
            );
        }
    }

    /// Whether an operator is one of a well-known extension, and not of a migration.
    fn extension_operator(&self, operator: &str, operands: &[&Info]) -> bool {
        let [one, other] = operands else {
            return false;
        };
        operators::of_an_extension(operator, one.operand(), other.operand()).is_some()
            && self.catalog.shadowing_operators(operator).next().is_none()
    }

    /// The implicit `=` of `IN`, `USING` and their kin.
    pub(super) fn check_equality(&mut self, operands: &[&Info], span: &Span) {
        self.check_collations(operands, span);
        if self.equality_shadowed || self.could_choose("=", operands) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    "a migration defines an operator `=`, which PostgreSQL could choose instead of its own",
                )
                .at(span.clone()),
            );
        }
    }

    /// Refuses operators of the migrations that a form such as `BETWEEN` calls without naming them.
    pub(super) fn check_hidden(&mut self, operators: &[&str], span: &Span) {
        let shadowed = |name: &&&str| self.catalog.shadowing_operators(name).next().is_some();
        if let Some(name) = operators.iter().find(shadowed) {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a migration defines an operator `{name}`, which PostgreSQL could choose instead of its own"
                    ),
                )
                .at(span.clone()),
            );
        }
    }

    /// Whether an operator of the migrations over their own types could be meant: one of the
    /// operands is not known to be of a type of PostgreSQL's own.
    fn could_choose(&self, operator: &str, operands: &[&Info]) -> bool {
        let defined = self.catalog.shadowing_operators(operator).next().is_some();
        let own = |info: &Info| {
            info.open && operands.len() > 1
                || info
                    .ty
                    .as_ref()
                    .is_some_and(|ty| !ty.domain && types::is_own(&ty.name))
        };
        defined
            && !(operands.iter().all(|info| own(info)) && operands.iter().any(|info| !info.open))
    }

    /// Whether a migration defines an operator of this name that values of PostgreSQL's own types
    /// could reach.
    pub(super) fn shadowed(&self, operator: &str) -> bool {
        self.catalog.unknown_names().is_some()
            || self.catalog.shadowing_operators(operator).any(|defined| {
                let own = |ty: &Option<TypeName>| {
                    ty.as_ref().is_some_and(|ty| {
                        Ty::of(ty).is_some()
                            || ty.name.parts.last().is_some_and(|n| n.starts_with("any"))
                    })
                };
                own(&defined.left) || own(&defined.right)
            })
    }

    /// Refuses a collation that a migration defines.
    pub(super) fn check_collation(&mut self, collation: &Name, span: &Span) {
        let known = collation
            .parts
            .last()
            .is_some_and(|name| !self.catalog.shadows_collation(name));
        if !known {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a migration defines the collation `{}`",
                        collation.parts.join(".")
                    ),
                )
                .at(span.clone()),
            );
        }
    }
}
