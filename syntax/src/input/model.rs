//! The type, once read: each place where a client's values enter or ours leave, with the names that
//! they have there and the type that they have here.

use proc_macro2::Span;
use syn::{Generics, Ident, LitStr, Path, Type};

/// One type with `#[derive(ToolInput)]` or `#[derive(ToolOutput)]`.
pub(crate) struct Input {
    pub(crate) krate: Option<Path>,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    /// Around one value of another type, without a name of its own for it.
    pub(crate) newtype: bool,
    /// Whether one text may stand for it.
    pub(crate) in_text: InText,
    /// The type that is read in its place: serde's `from` and `try_from`.
    pub(crate) proxy: Option<Type>,
    /// Property names that belong to no field: tags and externally tagged variants.
    pub(crate) names: Vec<Outside>,
    pub(crate) fields: Vec<Field>,
    /// Code or schemas by hand at the container decide what is read or written.
    pub(crate) custom: Vec<Custom>,
    pub(crate) not_tenant: Option<LitStr>,
    pub(crate) open: Vec<LitStr>,
}

/// Whether a value may come in one text, as far as the item tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InText {
    /// It has parts.
    No,
    /// If its only field's type may.
    AsItsField,
    /// The schema decides when the server starts.
    Unsure,
}

/// A property name that belongs to no field.
pub(crate) struct Outside {
    pub(crate) name: Name,
    pub(crate) not_tenant: Option<LitStr>,
}

/// One field that is read from input or written to output.
pub(crate) struct Field {
    pub(crate) ty: Type,
    /// The name in reports: the first name, or the position in a tuple.
    pub(crate) shown: String,
    /// Every name that a client may use, or sees; none for tuples and flattened fields.
    pub(crate) names: Vec<Name>,
    pub(crate) reading: Reading,
    pub(crate) not_tenant: Option<LitStr>,
    pub(crate) open: Option<LitStr>,
}

/// What turns the published form into the field's value.
pub(crate) enum Reading {
    /// The type's own deserialiser: the type is judged.
    Own,
    /// A well-known module, such as `time::serde::rfc3339`, that reads a time, a number or bytes
    /// from the published type.
    Codec { published: Option<Box<Type>> },
    /// Code that this check does not see.
    Custom(Custom),
}

/// A key that puts hand-written code or schemas between the published form and the value.
pub(crate) struct Custom {
    pub(crate) key: Ident,
    /// Whether a reason admits it.
    pub(crate) excusable: bool,
}

/// A name and where it was written.
#[derive(Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Name {
    pub(crate) fn of(literal: &LitStr) -> Self {
        Self {
            text: literal.value(),
            span: literal.span(),
        }
    }
}
