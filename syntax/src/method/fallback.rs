//! What is emitted beside the errors: the user's method as it is, and a route of the same name that
//! is never run, so that one mistake does not cause a second error in the router.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand::{Items, renamed};
use crate::attributes::conditions;
use crate::tool::expand::krate;
use crate::tool::model::Tool;

/// The method, and the two items that the router names. Without `self` they are what an `impl` and
/// a module both take, because which of the two it is can't be seen from here.
pub(super) fn expand(tool: &Tool, is_method: bool) -> TokenStream {
    let krate = krate(tool);
    let Items { own, attr, .. } = Items::of(tool);
    let (vis, name) = (&tool.item.vis, &tool.item.sig.ident);
    let (function, cfg) = (renamed(&tool.item, &own), conditions(&tool.item.attrs));
    let published = tool.name();
    let (receiver, lifetime) = match is_method {
        true => (quote!(&self, call), quote!('_)),
        false => (quote!(call), quote!('static)),
    };
    quote! {
        #[allow(unused)]
        #function

        #(#cfg)*
        pub fn #attr() -> #krate::__private::PublishedTool {
            #krate::__private::refused_tool(#published)
        }

        #(#cfg)*
        #vis fn #name(#receiver: #krate::__private::MethodCall) -> #krate::__private::MethodAnswer<#lifetime> {
            call.refuse()
        }
    }
}
