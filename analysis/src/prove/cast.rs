//! Casts and the types they lead to.
//!
//! Invariant: what is known of a value outlives a cast only where the conversion is the type's own;
//! one that a migration defines is refused.

use super::body::DEPTH;
use super::digits;
use super::state::{Env, Info, Prover};
use crate::catalog::{TypeKind, type_text};
use crate::diagnostic::{Code, Diagnostic};
use crate::functions::types::{self, Family, Ty};
use crate::ir::{Expr, ExprKind, Literal, TypeName};

impl<'a> Prover<'a> {
    /// `inner::ty`, which is all of `expr`: a tenant term, or a value that the cast keeps or changes.
    pub(super) fn cast(
        &mut self,
        expr: &'a Expr,
        inner: &'a Expr,
        ty: &TypeName,
        env: &Env,
    ) -> Info {
        if let Some(setting) = self.setting(expr) {
            return setting;
        }
        let operand = match inner.kind {
            ExprKind::Parameter(number) => self.parameter(number),
            _ => self.expr(inner, env),
        };
        self.note_text_below(expr);
        self.check_type(ty);
        self.check_cast(ty);
        let target = Ty::of(ty);
        let mut info = self.over(&[&operand]);
        // A literal and a parameter have the type that their cast gives them; other casts of times
        // depend on the session.
        let typed = matches!(
            inner.kind,
            ExprKind::Parameter(_) | ExprKind::Literal(Literal::String(_) | Literal::Null)
        );
        info.folds &= typed
            || (super::late::is_immutable(operand.ty.as_ref(), operand.open)
                && super::late::is_immutable(target.as_ref(), false));
        // A cast within a family keeps the value, or fails.
        let same = operand.ty.as_ref().and_then(Ty::family);
        if ty.modifiers.is_empty() && same.is_some() && target.as_ref().and_then(Ty::family) == same
        {
            info.node = operand.node;
            info.text_of = operand.text_of;
            info.converted =
                operand.converted || (same == Some(Family::Integer) && operand.ty != target);
        }
        // The text of a uuid or an integer is made by the type itself, unless a migration
        // defines a cast that takes its place.
        if let (Some(Family::Uuid | Family::Integer), Some(Family::Text), true) = (
            same,
            target.as_ref().and_then(Ty::family),
            ty.modifiers.is_empty(),
        ) && target
            .as_ref()
            .is_some_and(|target| !self.catalog.shadows_cast(None, &target.name))
        {
            info.text_of = operand.node;
        }
        // In a policy a function of the application answers for the session's values that it reads.
        let of_session = self.context.arguments.is_some() && operand.exposed.is_empty();
        let silent = self.cast_never_raises(&operand, ty)
            || (self.context.policy && (of_session || self.is_guarded_setting(inner)));
        if !silent {
            info.raises(&expr.span, "this cast");
        }
        // A value of a type that is not known may bring a collation of the migrations.
        info.loose |= operand.ty.is_none() && !operand.open && self.has_loose_collation();
        info.ty = target.or_else(|| self.type_of(ty));
        info.digits = match ty.modifiers.is_empty() {
            true => operand.most_digits(),
            false => digits::of_type(ty),
        };
        info
    }

    /// Refuses a cast that a migration defines: it runs a function, which is not read here.
    pub(super) fn check_cast(&mut self, ty: &TypeName) {
        let target = ty.name.parts.last();
        let defined = self
            .catalog
            .casts()
            .iter()
            .any(|cast| cast.target.name.parts.last() == target);
        if defined {
            self.problem(
                Diagnostic::error(
                    Code::SHADOWED,
                    format!(
                        "a migration defines a cast to `{}`, and what it runs is not read",
                        type_text(ty)
                    ),
                )
                .at(ty.name.span.clone())
                .help("call the function of the cast by its name: then its body is read"),
            );
        }
    }

    /// Whether a migration defines a collation that calls different texts equal.
    fn has_loose_collation(&self) -> bool {
        self.catalog.unknown_names().is_some()
            || self
                .catalog
                .collations()
                .iter()
                .any(|collation| !collation.deterministic)
    }

    /// A type as the prover needs it: PostgreSQL's own, an enum, a domain over one, or a type of a
    /// well-known extension.
    pub(super) fn type_of(&self, ty: &TypeName) -> Option<Ty> {
        self.type_within(ty, 0)
    }

    fn type_within(&self, ty: &TypeName, depth: usize) -> Option<Ty> {
        if let Some(own) = Ty::of(ty) {
            return Some(own);
        }
        let (schema, name) = match ty.name.parts.as_slice() {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return None,
        };
        let array = ty.dimensions > 0;
        match self
            .catalog
            .type_definition(schema, name)
            .map(|ty| &ty.kind)
        {
            Some(TypeKind::Enum) => Some(Ty {
                array,
                ..Ty::plain("enum")
            }),
            // A domain over a domain ends at a type that is none; one that does not is none at all.
            Some(TypeKind::Domain { base, .. }) if depth < DEPTH => self
                .type_within(base, depth + 1)
                .filter(|_| !array)
                .map(|base| Ty {
                    domain: true,
                    ..base
                }),
            Some(_) => None,
            None => types::of_an_extension(name).then(|| Ty {
                array,
                ..Ty::plain(name)
            }),
        }
    }
}
