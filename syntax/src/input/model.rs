//! The type, once read: each place where a client's values enter or ours leave, with the names that
//! they have there and the type that they have here.

use proc_macro2::Span;
use syn::{Generics, Ident, LitStr, Path, Type};

/// One type with `#[derive(ToolInput)]` or `#[derive(ToolOutput)]`.
pub(crate) struct Input {
    pub(crate) krate: Option<Path>,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// Property names that belong to no field: tags and externally tagged variants.
    pub(crate) names: Vec<Name>,
    pub(crate) fields: Vec<Field>,
    /// Hand-written code at the container decides what is read or written.
    pub(crate) custom: Option<Ident>,
    pub(crate) open: Option<LitStr>,
}

/// One field that is read from input or written to output.
pub(crate) struct Field {
    pub(crate) ty: Type,
    /// The name in reports: the first name, or the position in a tuple.
    pub(crate) shown: String,
    /// Every name that a client may use, or sees; none for tuples and flattened fields.
    pub(crate) names: Vec<Name>,
    pub(crate) custom: Option<Ident>,
    pub(crate) not_tenant: Option<LitStr>,
    pub(crate) open: Option<LitStr>,
}

/// A name and where it was written.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Name {
    pub(crate) fn of(literal: LitStr) -> Self {
        Self {
            text: literal.value(),
            span: literal.span(),
        }
    }
}
