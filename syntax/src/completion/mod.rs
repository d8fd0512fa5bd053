//! `#[mcp_completion(prompt = …)]`: parse, check, expand. The function is read and checked as a
//! tool's is. Its first argument is the one that is completed; the others are those that the
//! person has filled in already.

mod check;
mod expand;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::names::Names;
use crate::tool::model::Kind;
use crate::tool::{self, function, refused};

/// Expands `#[mcp_completion(attr)] item` with the words of the default configuration.
#[must_use]
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand_with(attr, item, &Names::default())
}

/// Expands `#[mcp_completion(attr)] item`; `names` says what else names a tenant in this project.
#[must_use]
pub fn expand_with(attr: TokenStream, item: TokenStream, names: &Names) -> TokenStream {
    let function = match function(item) {
        Ok(function) => function,
        Err(tokens) => return tokens,
    };
    let mut errors = Errors::default();
    let tool = tool::parse::tool(Kind::Completion, attr, function, &mut errors);
    tool::check::check(&tool, names, &mut errors);
    tool::text::check(&tool, &mut errors);
    let target = check::check(&tool, &mut errors);
    match target {
        Some(target) if errors.is_empty() => expand::expand(&tool, &target),
        _ => refused(&tool, errors, expand::fallback),
    }
}
