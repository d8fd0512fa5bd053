//! Texts and parameters that are cast where a row asks for the value.
//!
//! The client says which type a parameter has. `$at::timestamptz` of a text is computed when it is
//! asked for, since how it is read depends on the session: in a branch of `CASE` that is for a row that
//! met the conditions before it, which may be another tenant's, and a text that is no time tells so.
//! Invariant: what can't be seen here is looked at again when the value is bound.

use syn::ext::IdentExt as _;
use syn::{Ident, Type};
use watertight_analysis::prepare::Prepared;
use watertight_analysis::prove::Proof;

use super::attr::{Kind, QueryAttr};
use super::float::{is_spelled, overridden};
use super::item::{Function, simple_name, spelled};
use super::sqlx_macro::MacroCall;
use crate::errors::Errors;

const TEXTS: [&str; 2] = ["str", "String"];

const WHY: &str = "the cast of a text is computed for the row that asks for it, and whether it fails \
tells that a row of any tenant met the conditions before it";

/// The parameters of a statement that take no text. One without a tenant has nothing to hide.
pub(super) fn untexted(kind: Kind, proof: &Proof) -> &[u32] {
    match kind {
        Kind::Tenant => &proof.untexted,
        _ => &[],
    }
}

/// The arguments of a function that are texts as they are spelled.
pub(super) struct Texts<'a> {
    kind: Kind,
    arguments: Vec<(&'a Ident, &'a Type)>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(attr: &QueryAttr, function: &'a Function) -> Self {
        let arguments = function
            .typed()
            .skip(1)
            .filter(|argument| is_spelled(&argument.ty, &TEXTS))
            .filter_map(|argument| Some((simple_name(argument)?, &*argument.ty)))
            .collect();
        Self {
            kind: attr.kind,
            arguments,
        }
    }

    /// Refuses the texts of one statement, each once over all of them.
    pub(super) fn refuse(
        &mut self,
        prepared: &Prepared,
        proof: &Proof,
        bound: &[&Ident],
        errors: &mut Errors,
    ) {
        for (parameter, argument) in prepared.parameters.iter().zip(bound) {
            if !untexted(self.kind, proof).contains(&parameter.number) {
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
                    "`{}` is `{}`, and the statement casts `{written}` where a row asks for it\n\
                     note: {WHY}\n\
                     help: take the type of the value, such as `chrono::DateTime<chrono::Utc>` for a \
                     `timestamptz` or an enum that derives `sqlx::Type`",
                    name.unraw(),
                    spelled(ty),
                ),
            );
        }
    }
}

/// The error of a call of sqlx whose values come from elsewhere.
pub(super) fn unseen(numbers: &[u32], function: &str) -> String {
    let list: Vec<String> = numbers.iter().map(|it| format!("`${it}`")).collect();
    format!(
        "`{function}` hides the types of its values, and {} must not be a text\n\
         note: {WHY}\n\
         help: write `{}(\"…\")` and `.bind(…)`",
        list.join(", "),
        function.trim_end_matches("_with"),
    )
}

/// Refuses the arguments of sqlx's macros that the macro does not compare with the server's type.
pub(super) fn refuse_overridden(numbers: &[u32], call: &MacroCall, errors: &mut Errors) {
    let unchecked = call.name.to_string().ends_with("_unchecked");
    for (number, argument) in (1_u32..).zip(&call.arguments) {
        if numbers.contains(&number) && overridden(argument, unchecked, &TEXTS) {
            errors.push(
                argument,
                format!(
                    "nothing compares the type of this value with `${number}`, which is cast where a \
                     row asks for it: it may be a text\n\
                     note: {WHY}\n\
                     help: leave out the override, so that the macro compares the types"
                ),
            );
        }
    }
}
