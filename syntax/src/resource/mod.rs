//! `#[mcp_resource("ticket://{id}")]`: parse, check, expand. The function is read and checked as a
//! tool's is; here is what the URI adds.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;

use crate::errors::Errors;
use crate::names::Names;
use crate::tool::model::Kind;
use crate::tool::{self, function, refused};

/// Expands `#[mcp_resource(attr)] item` with the words of the default configuration.
#[must_use]
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand_with(attr, item, &Names::default())
}

/// Expands `#[mcp_resource(attr)] item`; `names` says what else names a tenant in this project.
#[must_use]
pub fn expand_with(attr: TokenStream, item: TokenStream, names: &Names) -> TokenStream {
    let function = match function(item) {
        Ok(function) => function,
        Err(tokens) => return tokens,
    };
    let mut errors = Errors::default();
    let (uri, attr) = parse::uri(attr, &mut errors);
    let tool = tool::parse::tool(Kind::Resource, attr, function, &mut errors);
    tool::check::check(&tool, names, &mut errors);
    tool::text::check(&tool, &mut errors);
    if let Some(uri) = &uri {
        check::check(&tool, uri, names, &mut errors);
        if errors.is_empty() {
            return expand::expand(&tool, uri);
        }
    }
    refused(&tool, errors, expand::fallback)
}
