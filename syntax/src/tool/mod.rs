//! `#[mcp_tool]`: parse, check, expand. Errors of all stages are reported together, and the
//! user's function is emitted on every path, so that an editor keeps working on it.

mod check;
mod expand;
mod fallback;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::errors::Errors;
use crate::names::Names;

/// Expands `#[mcp_tool(attr)] item` with the words of the default configuration.
#[must_use]
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand_with(attr, item, &Names::default())
}

/// Expands `#[mcp_tool(attr)] item`; `names` says what else names a tenant in this project.
#[must_use]
pub fn expand_with(attr: TokenStream, item: TokenStream, names: &Names) -> TokenStream {
    let function = match syn::parse2::<model::Item>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            // Not a function, or one that rustc itself can't read: it comes back as it was.
            let mut tokens = error.to_compile_error();
            tokens.extend(item);
            return tokens;
        }
    };
    let mut errors = Errors::default();
    let tool = parse::tool(attr, function, &mut errors);
    check::check(&tool, names, &mut errors);
    if errors.is_empty() {
        return expand::expand(&tool);
    }
    let mut tokens = errors.into_compile_errors();
    tokens.extend(match tool.item.sig.receiver() {
        // A method: beside it, in the `impl`, there is no place for a type.
        Some(_) => tool.item.to_token_stream(),
        None => fallback::expand(&tool),
    });
    tokens
}
