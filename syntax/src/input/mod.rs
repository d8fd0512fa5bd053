//! `#[derive(ToolInput)]` and `#[derive(TenantIdentifier)]`: parse, check, expand.

mod bounds;
mod check;
mod codec;
pub(crate) mod expand;
pub(crate) mod model;
pub(crate) mod parse;
mod rename;
pub(crate) mod serde;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::names::Names;

pub use rename::Case;

/// Expands `#[derive(ToolInput)]` with the words of the default configuration.
#[must_use]
pub fn derive_tool_input(item: TokenStream) -> TokenStream {
    derive_tool_input_with(item, &Names::default())
}

/// Expands `#[derive(ToolInput)]`; `names` says what else names a tenant in this project.
#[must_use]
pub fn derive_tool_input_with(item: TokenStream, names: &Names) -> TokenStream {
    let item = match parse::item(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let input = parse::input(item, serde::Side::In, &mut errors);
    check::check(&input, names, &mut errors);
    if errors.is_empty() {
        return expand::input(&input);
    }
    let mut tokens = errors.into_compile_errors();
    tokens.extend(expand::fallback(&input));
    tokens
}

/// Expands `#[derive(TenantIdentifier)]`.
#[must_use]
pub fn derive_tenant_identifier(item: TokenStream) -> TokenStream {
    let item = match parse::item(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let krate = parse::krate(&item.attrs, &mut errors);
    let mut tokens = expand::tenant_identifier(&item.ident, &item.generics, krate.as_ref());
    tokens.extend(errors.into_compile_errors());
    tokens
}
