//! From a checked method to the items that rmcp's router collects. Infallible.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use crate::attributes::conditions;
use crate::tool::expand::{Call, krate, specification};
use crate::tool::model::{Item, Tool};

/// The names of one method's items.
pub(super) struct Items {
    /// The user's method.
    pub(super) own: Ident,
    /// What it says about itself.
    pub(super) spec: Ident,
    /// What rmcp's router asks for the published form.
    pub(super) attr: Ident,
}

impl Items {
    pub(super) fn of(tool: &Tool) -> Self {
        let name = &tool.item.sig.ident;
        // With the user's span, so that an editor goes from the name to the method.
        let item = |suffix: &str| format_ident!("{name}_{suffix}", span = name.span());
        Self {
            own: item("tool_fn"),
            spec: item("tool_spec"),
            attr: item("tool_attr"),
        }
    }
}

/// The whole expansion of a method without mistakes.
pub(super) fn expand(tool: &Tool) -> TokenStream {
    let krate = krate(tool);
    let Items { own, spec, attr } = Items::of(tool);
    let (vis, name) = (&tool.item.vis, &tool.item.sig.ident);
    let (function, cfg, output) = (
        renamed(&tool.item, &own),
        conditions(&tool.item.attrs),
        &tool.output,
    );
    let published = tool.name();
    let specification = specification(tool, &krate);
    let Call {
        context,
        arguments,
        expression,
    } = Call::of(tool, &quote!(self.#own), &krate);
    let of_spec = format!(" What [`{name}`](Self::{name}) says about itself.");
    let of_attr = format!(" [`{name}`](Self::{name}) as it is published.");
    let of_route =
        format!(" The route of the tool `{published}`, which calls [`{own}`](Self::{own}).");
    quote! {
        #function

        #(#cfg)*
        #[doc = #of_spec]
        fn #spec() -> #krate::__private::MethodSpec<#output> {
            #krate::__private::method_spec::<#output>(#specification)
        }

        #(#cfg)*
        #[doc = #of_attr]
        #[warn(dead_code, reason = "nothing serves this tool: put `#[rmcp::tool_router]` on the `impl`, and serve its router")]
        fn #attr() -> #krate::__private::PublishedTool {
            #krate::__private::published(Self::#spec)
        }

        #(#cfg)*
        #[doc = #of_route]
        #vis fn #name(&self, call: #krate::__private::MethodCall) -> #krate::__private::MethodAnswer<'_> {
            call.answer(Self::#spec, move |#context, #arguments| async move {
                #expression
            })
        }
    }
}

/// The user's method under the name that the route leaves it.
pub(super) fn renamed(item: &Item, own: &Ident) -> TokenStream {
    let Item {
        attrs,
        vis,
        sig,
        body,
    } = item;
    let mut sig = sig.clone();
    sig.ident = own.clone();
    quote!(#(#attrs)* #vis #sig #body)
}
