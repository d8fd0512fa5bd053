//! From a checked resource to code. Infallible.

use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Uri;
use crate::attributes::conditions;
use crate::tool::expand::{call, krate, marker, specification, texts_alone};
use crate::tool::model::Tool;

/// The function, the type that carries the resource, and its implementation.
pub(super) fn expand(tool: &Tool, uri: &Uri) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let cfg = conditions(&tool.item.attrs);
    let (text, variables) = (&uri.literal, uri.template.variables());
    let mime_type = tool.options.mime_type.iter();
    let output = &tool.output;
    let specification = specification(tool, &krate);
    let call = call(tool, &krate);
    let texts_alone = texts_alone(tool, &krate);
    quote! {
        #function
        #marker
        #(#cfg)*
        impl #krate::Resource for #name {
            const NAME: &'static str = #published;
            const URI: &'static str = #text;
            const VARIABLES: &'static [&'static str] = &[#(#variables),*];
            #(const MIME_TYPE: ::core::option::Option<&'static str> =
                ::core::option::Option::Some(#mime_type);)*
            type Output = #output;
            fn spec() -> #krate::ToolSpec {
                #specification
            }
            #call
        }
        #texts_alone
    }
}

/// The function, and a resource of its name that is never read.
pub(super) fn fallback(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let variables = tool.arguments().map(|argument| &argument.name);
    let cfg = conditions(&tool.item.attrs);
    quote! {
        #[allow(unused)]
        #function
        #marker
        #(#cfg)*
        impl #krate::Resource for #name {
            const NAME: &'static str = #published;
            const URI: &'static str = "";
            const VARIABLES: &'static [&'static str] = &[#(#variables),*];
            type Output = ();
            fn spec() -> #krate::ToolSpec {
                #krate::ToolSpec::new(Self::NAME)
            }
            async fn call(_: #krate::ToolContext, _: #krate::Arguments) -> #krate::ToolResult<()> {
                ::core::result::Result::Ok(())
            }
        }
    }
}
