//! The input type, once read: each place where the model's values enter, with the names under
//! which they come and the type that must accept them.

use proc_macro2::Span;
use syn::{Generics, Ident, LitStr, Path, Type};

/// One type with `#[derive(ToolInput)]`.
pub(super) struct Input {
    pub(super) krate: Option<Path>,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    /// Property names that belong to no field: tags and externally tagged variants.
    pub(super) names: Vec<Name>,
    pub(super) fields: Vec<Field>,
    /// Hand-written code at the container decides what is read.
    pub(super) custom: Option<Ident>,
    pub(super) open: Option<LitStr>,
}

/// One field that is read from input.
pub(super) struct Field {
    pub(super) ty: Type,
    /// The name in reports: the first name, or the position in a tuple.
    pub(super) shown: String,
    /// Every name that a client may use; none for tuples and flattened fields.
    pub(super) names: Vec<Name>,
    pub(super) custom: Option<Ident>,
    pub(super) not_tenant: Option<LitStr>,
    pub(super) open: Option<LitStr>,
}

/// A name and where it was written.
#[derive(Clone)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Name {
    pub(super) fn of(literal: LitStr) -> Self {
        Self {
            text: literal.value(),
            span: literal.span(),
        }
    }
}
