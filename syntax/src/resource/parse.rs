//! The URI template at the beginning of the attribute, and what follows it.

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::{LitStr, Token};
use watertight_analysis::uri_template::Template;

use crate::errors::Errors;

/// A template and where it was written.
pub(super) struct Uri {
    pub(super) literal: LitStr,
    pub(super) template: Template,
}

/// The template, and the tokens after it. Every attribute without a template is an error.
pub(super) fn uri(attr: TokenStream, errors: &mut Errors) -> (Option<Uri>, TokenStream) {
    let split = |input: ParseStream<'_>| {
        let literal = match input.peek(LitStr) {
            true => Some(input.parse::<LitStr>()?),
            false => None,
        };
        if literal.is_some() && !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok((literal, input.parse::<TokenStream>()?))
    };
    let Some((literal, rest)) = errors.absorb(split.parse2(attr.clone())) else {
        return (None, TokenStream::new());
    };
    let Some(literal) = literal else {
        let message =
            "a resource has a URI, which comes first: `#[mcp_resource(\"ticket://{id}\")]`";
        match rest.is_empty() {
            true => errors.push_at(proc_macro2::Span::call_site(), message),
            false => errors.push(&rest, message),
        }
        return (None, TokenStream::new());
    };
    match Template::parse(&literal.value()) {
        Ok(template) => (Some(Uri { literal, template }), rest),
        Err(mistake) => {
            errors.push(&literal, mistake);
            (None, rest)
        }
    }
}
