//! What `#[tool]` on a method emits, as `cargo expand` would show it inside the `impl`.

#![allow(clippy::expect_used)]

use proc_macro2::TokenStream;
use quote::quote;
use watertight_syntax::method;

fn pretty(items: TokenStream) -> String {
    let file: syn::File = syn::parse2(quote!(impl Desk { #items })).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

#[test]
fn a_five_line_method() {
    let shown = pretty(method::expand(
        quote!(requires = "customers:read", read_only),
        quote! {
            /// List customers on a plan.
            async fn list_customers(
                &self,
                cx: ToolContext,
                /// Plan name, such as "pro".
                plan: String,
                #[tool(range(1..=100), default = 20)] limit: u32,
            ) -> ToolResult<Vec<Customer>> {
                let mut db = cx.read().await?;
                Ok(customers_on_plan(&mut db, &plan, limit.into()).await?)
            }
        },
    ));
    assert!(shown.lines().count() <= 60, "more than a screen");
    insta::assert_snapshot!(shown);
}

#[test]
fn all_arguments_at_once() {
    insta::assert_snapshot!(pretty(method::expand(
        quote!(name = "customers.search"),
        quote! {
            /// Search customers.
            pub async fn search(
                &self,
                Parameters(Search { text, limit }): Parameters<Search>,
            ) -> ToolResult<String> {
                Ok(self.index.find(&text, limit))
            }
        },
    )));
}

/// rmcp's router names `search` and `search_tool_attr`: they are there whatever is wrong, and the
/// user's own body as well, so that an editor goes on completing in it.
#[test]
fn mistakes_keep_the_method_and_what_the_router_names() {
    let shown = pretty(method::expand(
        quote!(colour = "red"),
        quote! {
            /// Search customers.
            async fn search(&self, tenant_id: u64, #[tool(range(9..=1))] limit: u32) -> ToolResult<u32> {
                self.index.fi
            }
        },
    ));
    assert_eq!(shown.matches("compile_error!").count(), 3, "{shown}");
    assert!(shown.contains("self.index.fi"), "{shown}");
    for name in ["fn search(", "fn search_tool_attr(", "fn search_tool_fn("] {
        assert!(shown.contains(name), "{name} in {shown}");
    }
}

/// What can't be read as a function comes back as it was, for rustc to say what is wrong.
#[test]
fn a_broken_signature_comes_back() {
    let broken = quote!(async fn search(&self, plan: ) -> ToolResult<u32> { todo });
    let shown = method::expand(quote!(), broken.clone()).to_string();
    assert!(shown.contains("compile_error"), "{shown}");
    assert!(shown.contains(&broken.to_string()), "{shown}");
}
