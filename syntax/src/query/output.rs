//! Reads from the return type how rows are fetched.
//!
//! Only tokens are looked at: an alias that hides `Vec`, `Option`, `u64` or `()` is one row here,
//! and the decoder that the expansion asks for refuses it with the spelled-out form.

use syn::{
    AngleBracketedGenericArguments, GenericArgument, Path, PathArguments, ReturnType, Type,
    TypeParamBound,
};

use super::item::{Function, spelled};
use crate::errors::Errors;

/// What a declared function returns.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// `Vec<T>`
    All(Type),
    /// `Option<T>`
    AtMostOne(Type),
    /// `T`
    One(Type),
    /// `impl Stream<Item = DbResult<T>>`; true if the function returns it inside a `Result`
    Stream(Type, bool),
    /// `u64`
    Affected,
    /// `()`
    Nothing,
}

impl Output {
    /// What a row becomes.
    pub(super) fn row(&self) -> Option<&Type> {
        match self {
            Self::All(ty) | Self::AtMostOne(ty) | Self::One(ty) | Self::Stream(ty, _) => Some(ty),
            Self::Affected | Self::Nothing => None,
        }
    }

    /// Whether the shape takes rows.
    pub(super) fn takes_rows(&self) -> bool {
        !matches!(self, Self::Affected | Self::Nothing)
    }
}

const SHAPES: &str = "help: the return type chooses how rows are fetched:\n      \
    `DbResult<Vec<T>>` all rows, `DbResult<Option<T>>` at most one, `DbResult<T>` exactly one,\n      \
    `impl Stream<Item = DbResult<T>>` row by row, `DbResult<u64>` rows affected, `DbResult<()>` nothing";

/// Reads the return type; an error is recorded if there is nothing that could be fetched.
pub(super) fn read(function: &Function, errors: &mut Errors) -> Option<Output> {
    let ReturnType::Type(_, returned) = &function.sig.output else {
        errors.push(
            &function.sig.ident,
            format!(
                "`{}` returns nothing, but a query can fail\n{SHAPES}",
                function.sig.ident
            ),
        );
        return None;
    };
    let returned = plain(returned);
    if let Some(item) = stream_item(returned) {
        return stream(item, false, errors);
    }
    let Some(inner) = result_value(returned) else {
        errors.push(
            returned,
            format!(
                "a query can fail: write `DbResult<{}>`, with the `DbResult` spelled out\n{SHAPES}",
                spelled(returned)
            ),
        );
        return None;
    };
    if let Some(item) = stream_item(inner) {
        return stream(item, true, errors);
    }
    Some(shape(inner))
}

fn shape(inner: &Type) -> Output {
    if let Type::Tuple(tuple) = inner
        && tuple.elems.is_empty()
    {
        return Output::Nothing;
    }
    if last_name(inner).is_some_and(|name| name == "u64") {
        return Output::Affected;
    }
    match generic(inner, "Vec") {
        Some(item) if last_name(item).is_none_or(|name| name != "u8") => {
            return Output::All(item.clone());
        }
        _ => {}
    }
    match generic(inner, "Option") {
        Some(item) => Output::AtMostOne(item.clone()),
        None => Output::One(inner.clone()),
    }
}

/// Whether the tokens of a row's type are one of the shapes: then nothing is hidden.
pub(super) fn is_spelled_shape(ty: &Type) -> bool {
    last_name(ty).is_some_and(|name| matches!(name.as_str(), "Vec" | "Option" | "u64"))
}

/// Whether the function returns a stream of anything, and whether inside of a `Result`.
pub(super) fn streams(function: &Function) -> Option<bool> {
    let ReturnType::Type(_, returned) = &function.sig.output else {
        return None;
    };
    let returned = plain(returned);
    if stream_item(returned).is_some() {
        return Some(false);
    }
    stream_item(result_value(returned)?).map(|_| true)
}

fn stream(item: &Type, inside_result: bool, errors: &mut Errors) -> Option<Output> {
    match result_value(item) {
        Some(row) => Some(Output::Stream(row.clone(), inside_result)),
        None => {
            errors.push(
                item,
                format!(
                    "a row can fail while it is read: write `impl Stream<Item = DbResult<{}>>`",
                    spelled(item)
                ),
            );
            None
        }
    }
}

/// The type behind parentheses and the invisible groups that `macro_rules` leaves.
fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => plain(&inner.elem),
        Type::Group(inner) => plain(&inner.elem),
        other => other,
    }
}

/// `T` of `Result<T, E>`, `DbResult<T>`, `anyhow::Result<T>`.
fn result_value(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = plain(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    if !last.ident.to_string().ends_with("Result") {
        return None;
    }
    first_type(&last.arguments).map(plain)
}

/// `T` of `name<T>`.
fn generic<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = plain(ty) else {
        return None;
    };
    let last = path.path.segments.last()?;
    if last.ident != name {
        return None;
    }
    first_type(&last.arguments).map(plain)
}

fn last_name(ty: &Type) -> Option<String> {
    match plain(ty) {
        Type::Path(path) if path.qself.is_none() => path
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// `X` of `impl Stream<Item = X>`.
fn stream_item(ty: &Type) -> Option<&Type> {
    let Type::ImplTrait(opaque) = plain(ty) else {
        return None;
    };
    opaque.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => item_of_stream(&bound.path),
        _ => None,
    })
}

fn item_of_stream(path: &Path) -> Option<&Type> {
    let last = path
        .segments
        .last()
        .filter(|segment| segment.ident == "Stream")?;
    arguments(&last.arguments)?
        .args
        .iter()
        .find_map(|argument| match argument {
            GenericArgument::AssocType(assoc) if assoc.ident == "Item" => Some(plain(&assoc.ty)),
            _ => None,
        })
}

fn first_type(arguments_of: &PathArguments) -> Option<&Type> {
    arguments(arguments_of)?
        .args
        .iter()
        .find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

fn arguments(arguments: &PathArguments) -> Option<&AngleBracketedGenericArguments> {
    match arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments),
        _ => None,
    }
}
