//! What is emitted beside the errors: the user's function as it is, and a tool of the same name
//! that is never run, so that one mistake does not cause a second error where the tool is named.

use proc_macro2::TokenStream;
use quote::quote;

use super::expand::{krate, marker, route};
use super::model::Tool;
use crate::attributes::conditions;

/// The function, the marker type and an implementation without arguments.
pub(super) fn expand(tool: &Tool) -> TokenStream {
    let function = &tool.item;
    let marker = marker(tool.kind, &tool.item);
    let route = route(tool);
    let krate = krate(tool);
    let name = &tool.item.sig.ident;
    let published = tool.name();
    let cfg = conditions(&tool.item.attrs);
    quote! {
        #[allow(unused)]
        #function
        #marker
        #(#cfg)*
        impl #krate::Tool for #name {
            const NAME: &'static str = #published;
            type Output = ();
            fn spec() -> #krate::ToolSpec {
                #krate::ToolSpec::new(Self::NAME)
            }
            async fn call(_: #krate::ToolContext, _: #krate::Arguments) -> #krate::ToolResult<()> {
                ::core::result::Result::Ok(())
            }
        }
        #route
    }
}
