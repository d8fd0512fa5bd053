//! Floats and parameters without a cast.
//!
//! The client says which type such a parameter has. Beside a `numeric` column a float makes the
//! server turn the column into a float, which fails on a value out of range and prints it. Where
//! only the statement's own filter carries the proof, that value may be another tenant's.
//! Invariant: what can't be seen here is looked at again when the value is bound.

use syn::ext::IdentExt as _;
use syn::{Expr, GenericArgument, Ident, PathArguments, Type};
use watertight_analysis::prepare::Prepared;
use watertight_analysis::prove::{Grade, Proof};

use super::attr::{Kind, QueryAttr};
use super::item::{Function, simple_name, spelled};
use super::sqlx_macro::MacroCall;
use crate::errors::Errors;

/// The parameters of a statement that take no float. One without a tenant has nothing to hide.
pub(super) fn uncast(kind: Kind, proof: &Proof) -> &[u32] {
    match (kind, proof.grade) {
        (Kind::Tenant, Grade::Predicate) => &proof.uncast,
        _ => &[],
    }
}

/// The arguments of a function that are floats as they are spelled.
pub(super) struct Floats<'a> {
    kind: Kind,
    arguments: Vec<(&'a Ident, &'a Type)>,
}

impl<'a> Floats<'a> {
    pub(super) fn new(attr: &QueryAttr, function: &'a Function) -> Self {
        let arguments = function
            .typed()
            .skip(1)
            .filter(|argument| is_float(&argument.ty))
            .filter_map(|argument| Some((simple_name(argument)?, &*argument.ty)))
            .collect();
        Self {
            kind: attr.kind,
            arguments,
        }
    }

    /// Refuses the floats of one statement, each once over all of them.
    pub(super) fn refuse(
        &mut self,
        prepared: &Prepared,
        proof: &Proof,
        bound: &[&Ident],
        errors: &mut Errors,
    ) {
        for (parameter, argument) in prepared.parameters.iter().zip(bound) {
            if !uncast(self.kind, proof).contains(&parameter.number) {
                continue;
            }
            let known = self.arguments.iter().position(|(name, _)| name == argument);
            let Some((name, ty)) = known.map(|index| self.arguments.remove(index)) else {
                continue;
            };
            let written = match &parameter.name {
                Some(name) => format!("${name}"),
                None => format!("${}", parameter.number),
            };
            errors.push(
                name,
                format!(
                    "`{}` is `{}`, and `{written}` stands in the statement without a cast\n\
                     note: {WHY}\n\
                     help: write `{written}::numeric` beside a `numeric` column, else \
                     `{written}::float8`",
                    name.unraw(),
                    spelled(ty),
                ),
            );
        }
    }
}

const FLOATS: [&str; 2] = ["f32", "f64"];

const WHY: &str = "beside a `numeric` column the server turns the column into a float, and its \
error about a value out of range prints that value, whoever's it is";

/// The error of a call of sqlx whose values come from elsewhere.
pub(super) fn unseen(numbers: &[u32], function: &str) -> String {
    let casts: Vec<String> = numbers.iter().map(|it| format!("`${it}::…`")).collect();
    format!(
        "`{function}` hides the types of its values, and one of them may be a float\n\
         note: {WHY}\n\
         help: cast them in the statement, {}, or write `{}(\"…\")` and `.bind(…)`",
        casts.join(", "),
        function.trim_end_matches("_with"),
    )
}

/// Refuses the arguments of sqlx's macros that the macro does not compare with the server's type.
pub(super) fn refuse_overridden(numbers: &[u32], call: &MacroCall, errors: &mut Errors) {
    let unchecked = call.name.to_string().ends_with("_unchecked");
    for (number, argument) in (1_u32..).zip(&call.arguments) {
        if numbers.contains(&number) && overridden(argument, unchecked, &FLOATS) {
            errors.push(
                argument,
                format!(
                    "nothing compares the type of this value with `${number}`, which stands in \
                     the statement without a cast: it may be a float\n\
                     note: {WHY}\n\
                     help: cast it in the statement, `${number}::numeric` or whatever its type is"
                ),
            );
        }
    }
}

/// Whether the macro takes the value's type as it is.
pub(super) fn overridden(argument: &Expr, unchecked: bool, names: &[&str]) -> bool {
    match argument {
        Expr::Group(inner) => overridden(&inner.expr, unchecked, names),
        Expr::Cast(cast) => is_spelled(&cast.ty, names) || matches!(&*cast.ty, Type::Infer(_)),
        _ => unchecked,
    }
}

fn is_float(ty: &Type) -> bool {
    is_spelled(ty, &FLOATS)
}

/// Whether a type is spelled as one of these, or as what wraps one on its way to the server. Syntax only.
pub(super) fn is_spelled(ty: &Type, names: &[&str]) -> bool {
    let is = |ty: &Type| is_spelled(ty, names);
    match ty {
        Type::Reference(inner) => is(&inner.elem),
        Type::Paren(inner) => is(&inner.elem),
        Type::Group(inner) => is(&inner.elem),
        Type::Slice(inner) => is(&inner.elem),
        Type::Array(inner) => is(&inner.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            if names.iter().any(|name| last.ident == name) {
                return true;
            }
            let PathArguments::AngleBracketed(list) = &last.arguments else {
                return false;
            };
            ["Option", "Vec", "Box", "Arc", "Cow"]
                .iter()
                .any(|wrapper| last.ident == wrapper)
                && list
                    .args
                    .iter()
                    .any(|argument| matches!(argument, GenericArgument::Type(ty) if is(ty)))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn floats_are_found_as_they_are_spelled() {
        let floats: [Type; 6] = [
            parse_quote!(f64),
            parse_quote!(&'a f32),
            parse_quote!(Option<f64>),
            parse_quote!(std::option::Option<&f64>),
            parse_quote!(&[f64]),
            parse_quote!(Vec<core::primitive::f32>),
        ];
        assert!(floats.iter().all(is_float));
        let others: [Type; 4] = [
            parse_quote!(i64),
            parse_quote!(Option<Decimal>),
            parse_quote!(Sum<f64>),
            parse_quote!(&str),
        ];
        assert!(!others.iter().any(is_float));
    }
}
