//! From a checked completion to code. Infallible.
//!
//! Whether the prompt or the resource has the arguments is another item's to say, so a constant
//! asks it, at the argument's own token.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::check::{Of, Target};
use crate::attributes::conditions;
use crate::tool::expand::{call, krate, marker, specification};
use crate::tool::model::Tool;

/// The function, the type that carries the completion, and its implementation.
pub(super) fn expand(tool: &Tool, target: &Target<'_>) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let cfg = conditions(&tool.item.attrs);
    let completed = &target.argument.name;
    let (of, shown, noun) = match target.of {
        Of::Prompt(path) => (quote!(prompt::<#path>()), path, "prompt"),
        Of::Resource(path) => (quote!(resource::<#path>()), path, "resource"),
    };
    let shown = shown.to_token_stream().to_string().replace(' ', "");
    let output = &tool.output;
    let specification = specification(tool, &krate);
    let call = call(tool, &krate);
    let known = tool.arguments().map(|argument| {
        let asked = &argument.name;
        let message = format!("the {noun} `{shown}` has no argument `{asked}`");
        // Hygiene as in the rest of the expansion, the place of the user's argument.
        let span = Span::mixed_site().located_at(argument.name_span);
        quote_spanned! {span=>
            #(#cfg)*
            const _: () = if !<#name as #krate::Completion>::TARGET.has(#asked) {
                ::core::panic!("{}", <#name as #krate::Completion>::TARGET.lacks(#message).text())
            };
        }
    });
    quote! {
        #function
        #marker
        #(#cfg)*
        impl #krate::Completion for #name {
            const NAME: &'static str = #published;
            const TARGET: #krate::completion::Target = #krate::completion::Target::#of;
            const ARGUMENT: &'static str = #completed;
            type Output = #output;
            fn spec() -> #krate::ToolSpec {
                #specification
            }
            #call
        }
        #(#known)*
    }
}

/// The function, and a completion of its name that is never asked for.
pub(super) fn fallback(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let cfg = conditions(&tool.item.attrs);
    quote! {
        #[allow(unused)]
        #function
        #marker
        #(#cfg)*
        impl #krate::Completion for #name {
            const NAME: &'static str = #published;
            const TARGET: #krate::completion::Target = #krate::completion::Target::nothing();
            const ARGUMENT: &'static str = "";
            type Output = ::std::vec::Vec<::std::string::String>;
            fn spec() -> #krate::ToolSpec {
                #krate::ToolSpec::new(Self::NAME)
            }
            async fn call(
                _: #krate::ToolContext,
                _: #krate::Arguments,
            ) -> #krate::ToolResult<Self::Output> {
                ::core::result::Result::Ok(::std::vec::Vec::new())
            }
        }
    }
}
