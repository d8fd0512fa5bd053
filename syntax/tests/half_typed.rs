//! What an editor sees while a tool is being typed: the function comes back on every path, so that
//! completion and navigation work on it, and the tool keeps its type, so that `tools![…]` does.

#![allow(clippy::expect_used)]

use proc_macro2::TokenStream;
use quote::quote;
use watertight_syntax::tool;

/// Whether `tokens` are part of the expansion as they are.
fn holds(expansion: &TokenStream, tokens: &TokenStream) -> bool {
    expansion.to_string().contains(&tokens.to_string())
}

#[test]
fn half_typed_bodies_come_back() {
    for body in [
        quote!({ let mut db = cx. }),
        quote!({ let x = ; Ok(x) }),
        quote!({ if plan { } else }),
        quote!({ match plan { Some(x) => } }),
        quote!({
            customers_on_plan(&mut db).await?;
            tools![]
        }),
    ] {
        let item = quote!(
            /// List.
            async fn list(cx: ToolContext, plan: String) -> ToolResult<u64> #body
        );
        let shown = tool::expand(quote!(read_only), item);
        assert!(holds(&shown, &body), "{shown}");
        assert!(
            holds(
                &shown,
                &quote!(
                    struct list {}
                )
            ),
            "{shown}"
        );
        assert!(
            holds(
                &shown,
                &quote!(::watertight::__private::argument::<String>("plan"))
            ),
            "{shown}"
        );
        assert!(!shown.to_string().contains("compile_error"), "{shown}");
    }
}

#[test]
fn half_typed_arguments_come_back() {
    for item in [
        quote!(async fn list(cx: ToolContext, plan: ) -> ToolResult<u64> { Ok(1) }),
        quote!(async fn list(cx: ToolContext, plan) -> ToolResult<u64> { Ok(1) }),
        quote!(async fn list(cx: ToolContext, #[tool()] : String) -> ToolResult<u64> { Ok(1) }),
        quote!(async fn list(cx: ToolContext, plan: String) -> { Ok(1) }),
        quote!(async fn list()),
        quote!(async fn),
    ] {
        let shown = tool::expand(quote!(), item.clone());
        assert!(holds(&shown, &item), "{shown}");
    }
}

#[test]
fn broken_attributes_keep_the_function_and_the_tool() {
    let function = quote!(
        async fn list(plan: String) -> ToolResult<u64> {
            Ok(plan.len() as u64)
        }
    );
    for attr in [
        quote!(requires =),
        quote!(read_only, title = , idempotent),
        quote!(requires = ["a",]),
        quote!(name),
        quote!(read),
        quote!(=),
    ] {
        let shown = tool::expand(
            attr,
            quote!(
                /// List.
                #function
            ),
        );
        assert!(holds(&shown, &function), "{shown}");
        assert!(
            holds(
                &shown,
                &quote!(
                    struct list {}
                )
            ),
            "{shown}"
        );
    }
}

#[test]
fn a_broken_attribute_of_an_argument_is_one_mistake() {
    for attr in [
        quote!(#[tool(not_tenant = "the owner of a public repository", range(1..=), rename = "owner")]),
        quote!(#[tool(not_tenant = "the owner of a public repository", default = )]),
        quote!(#[tool(default = , not_tenant = "the owner of a public repository")]),
    ] {
        let shown = tool::expand(
            quote!(),
            quote!(
                /// List.
                async fn list(#attr owner: String) -> ToolResult<u64> { Ok(1) }
            ),
        );
        let text = shown.to_string();
        assert_eq!(text.matches("compile_error").count(), 1, "{text}");
        assert!(
            holds(
                &shown,
                &quote!(
                    async fn list(owner: String) -> ToolResult<u64> {
                        Ok(1)
                    }
                )
            ),
            "{text}"
        );
        assert!(
            holds(
                &shown,
                &quote!(
                    struct list {}
                )
            ),
            "{text}"
        );
    }
}
