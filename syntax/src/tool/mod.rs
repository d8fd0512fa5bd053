//! `#[mcp_tool]`: parse, check, expand. Errors of all stages are reported together, and the
//! user's function is emitted on every path, so that an editor keeps working on it.

pub(crate) mod check;
pub(crate) mod expand;
mod fallback;
pub(crate) mod model;
pub(crate) mod parse;
pub(crate) mod text;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::errors::Errors;
use crate::names::Names;
use model::{Item, Kind, Tool};

/// Expands `#[mcp_tool(attr)] item` with the words of the default configuration.
#[must_use]
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand_with(attr, item, &Names::default())
}

/// Expands `#[mcp_tool(attr)] item`; `names` says what else names a tenant in this project.
#[must_use]
pub fn expand_with(attr: TokenStream, item: TokenStream, names: &Names) -> TokenStream {
    let function = match function(item) {
        Ok(function) => function,
        Err(tokens) => return tokens,
    };
    let mut errors = Errors::default();
    let tool = parse::tool(Kind::Tool, attr, function, &mut errors);
    check::check(&tool, names, &mut errors);
    if errors.is_empty() {
        return expand::expand(&tool);
    }
    refused(&tool, errors, fallback::expand)
}

/// Reads the annotated function. The error is what is emitted in its place: what rustc itself
/// can't read, or is no function, comes back as it was.
pub(crate) fn function(item: TokenStream) -> Result<Item, TokenStream> {
    syn::parse2::<Item>(item.clone()).map_err(|error| {
        let mut tokens = error.to_compile_error();
        tokens.extend(item);
        tokens
    })
}

/// The errors, and the function with what stands for the tool.
pub(crate) fn refused(
    tool: &Tool,
    errors: Errors,
    fallback: impl FnOnce(&Tool) -> TokenStream,
) -> TokenStream {
    let mut tokens = errors.into_compile_errors();
    tokens.extend(match tool.item.sig.receiver() {
        // A method: beside it, in the `impl`, there is no place for a type.
        Some(_) => tool.item.to_token_stream(),
        None => fallback(tool),
    });
    tokens
}
