//! `#[derive(ToolOutput)]`: read like an input type, on serde's serialising side; then check, expand.

mod check;
mod expand;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::input::parse;
use crate::input::serde::Side;
use crate::names::Names;

/// Expands `#[derive(ToolOutput)]` with the words of the default configuration.
#[must_use]
pub fn derive_tool_output(item: TokenStream) -> TokenStream {
    derive_tool_output_with(item, &Names::default())
}

/// Expands `#[derive(ToolOutput)]`; `names` says what else names a tenant in this project.
#[must_use]
pub fn derive_tool_output_with(item: TokenStream, names: &Names) -> TokenStream {
    let item = match parse::item(item) {
        Ok(item) => item,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let output = parse::input(item, Side::Out, &mut errors);
    check::check(&output, names, &mut errors);
    if errors.is_empty() {
        return expand::output(&output);
    }
    let mut tokens = errors.into_compile_errors();
    // A type that borrows can't have the trait, and what tries to give it one would be told of too.
    if output.generics.lifetimes().next().is_none() {
        tokens.extend(expand::fallback(&output));
    }
    tokens
}
