//! `#[tool]` on a method, inside rmcp's `#[tool_router] impl Server { … }`: the grammar and the
//! checks of `#[mcp_tool]`, and the items that the router looks for by name.
//!
//! rmcp's macro sees the method before this one does, and registers `Self::NAME_tool_attr()` and
//! `Self::NAME`. So `NAME` becomes the route, and the user's method `NAME_tool_fn`.
//!
//! Invariant: those two names exist on every path, so that a mistake is not told twice.

mod expand;
mod fallback;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{FnArg, ReceiverKind};

use crate::errors::Errors;
use crate::names::Names;
use crate::tool::model::{Kind, Tool};
use crate::tool::{check, function, parse};

/// Expands `#[tool(attr)] item` with the words of the default configuration.
#[must_use]
pub fn expand(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand_with(attr, item, &Names::default())
}

/// Expands `#[tool(attr)] item`; `names` says what else names a tenant in this project.
#[must_use]
pub fn expand_with(attr: TokenStream, item: TokenStream, names: &Names) -> TokenStream {
    let function = match function(item) {
        Ok(function) => function,
        Err(tokens) => return tokens,
    };
    let mut errors = Errors::default();
    let tool = parse::tool(Kind::Method, attr, function, &mut errors);
    let is_method = receiver(&tool, &mut errors);
    check::check(&tool, names, &mut errors);
    if errors.is_empty() {
        return expand::expand(&tool);
    }
    let mut tokens = errors.into_compile_errors();
    tokens.extend(fallback::expand(&tool, is_method));
    tokens
}

/// Whether there is a `self` of any kind; records an error unless it is `&self`.
fn receiver(tool: &Tool, errors: &mut Errors) -> bool {
    let sig = &tool.item.sig;
    let Some(FnArg::Receiver(receiver)) = sig.inputs.first() else {
        errors.push(
            &sig.ident,
            "`#[tool]` is for methods, and this has no `&self`\n\
             help: take `&self`, inside rmcp's `#[tool_router] impl …`\n\
             help: a free function is a tool by `#[mcp_tool]`",
        );
        return false;
    };
    let shared = matches!(&receiver.kind, ReceiverKind::Reference(_, None, None));
    if !shared {
        errors.push(
            receiver.to_token_stream(),
            "calls of a tool run side by side, so it takes `&self`\n\
             help: keep what changes behind a lock or in the database",
        );
    }
    true
}
