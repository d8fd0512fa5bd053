//! From a checked prompt to code. Infallible.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attributes::conditions;
use crate::tool::expand::{call, krate, marker, specification, texts_alone};
use crate::tool::model::Tool;

/// The function, the type that carries the prompt, and its implementation.
pub(super) fn expand(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let arguments = tool.arguments().map(|argument| &argument.name);
    let cfg = conditions(&tool.item.attrs);
    let output = &tool.output;
    let specification = specification(tool, &krate);
    let call = call(tool, &krate);
    let texts_alone = texts_alone(tool, &krate);
    quote! {
        #function
        #marker
        #(#cfg)*
        impl #krate::PromptTemplate for #name {
            const NAME: &'static str = #published;
            const ARGUMENTS: &'static [&'static str] = &[#(#arguments),*];
            type Output = #output;
            fn spec() -> #krate::ToolSpec {
                #specification
            }
            #call
        }
        #texts_alone
    }
}

/// The function, and a prompt of its name that is never asked for.
pub(super) fn fallback(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let arguments = tool.arguments().map(|argument| &argument.name);
    let cfg = conditions(&tool.item.attrs);
    quote! {
        #[allow(unused)]
        #function
        #marker
        #(#cfg)*
        impl #krate::PromptTemplate for #name {
            const NAME: &'static str = #published;
            const ARGUMENTS: &'static [&'static str] = &[#(#arguments),*];
            type Output = #krate::Prompt;
            fn spec() -> #krate::ToolSpec {
                #krate::ToolSpec::new(Self::NAME)
            }
            async fn call(
                _: #krate::ToolContext,
                _: #krate::Arguments,
            ) -> #krate::ToolResult<#krate::Prompt> {
                ::core::result::Result::Ok(#krate::Prompt::user(""))
            }
        }
    }
}
