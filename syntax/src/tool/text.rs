//! Arguments that come as texts: the variables of a URI, and the arguments of a prompt. Whether a
//! type can be read from a text is decided by its schema when the server starts; what can be seen
//! from its name is said here.

use quote::ToTokens;
use syn::Type;

use super::model::Tool;
use crate::errors::Errors;

/// Types that hold more than one text.
const MANY: &[&str] = &[
    "Vec", "VecDeque", "HashSet", "BTreeSet", "HashMap", "BTreeMap", "Map", "Value",
];

/// Checks the form of every argument.
pub(crate) fn check(tool: &Tool, errors: &mut Errors) {
    for argument in tool.arguments() {
        if let Some(open) = &argument.open {
            errors.push(
                open,
                format!(
                    "an argument of a {} is a text and never open",
                    tool.kind.noun()
                ),
            );
        }
        if is_many(&argument.ty) {
            errors.push(
                &argument.ty,
                format!(
                    "an argument of a {} comes as one text, which this type can't be read from\n\
                     help: take a `String`, a number, a `Uuid`, a date or an enum of words",
                    tool.kind.noun()
                ),
            );
        }
    }
}

fn is_many(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            if last.ident == "Option" || last.ident == "Box" {
                return inner(&last.arguments).is_some_and(is_many);
            }
            MANY.contains(&last.ident.to_string().as_str())
        }),
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) => true,
        Type::Group(group) => is_many(&group.elem),
        Type::Paren(paren) => is_many(&paren.elem),
        _ => false,
    }
}

fn inner(arguments: &syn::PathArguments) -> Option<&Type> {
    let syn::PathArguments::AngleBracketed(arguments) = arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether the type is spelled `String`.
pub(crate) fn is_string(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "String"),
        Type::Group(group) => is_string(&group.elem),
        other => other.to_token_stream().to_string() == "String",
    }
}
