//! What the macros of resources, prompts and completions emit, as `cargo expand` would show it.

#![allow(clippy::expect_used)]

use proc_macro2::TokenStream;
use quote::quote;
use watertight_syntax::{completion, prompt, resource};

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

#[test]
fn a_resource() {
    let shown = pretty(resource::expand(
        quote!(
            "crm://customers/{id}/notes/{number}.md",
            title = "Note",
            mime_type = "text/markdown",
            requires = "notes:read"
        ),
        quote! {
            /// A note about a customer.
            pub async fn note(
                cx: ToolContext,
                id: Uuid,
                #[tool(range(1..))] number: u32,
            ) -> ToolResult<Contents> {
                Ok(Contents::text(note_of(&mut cx.read().await?, id, number).await?))
            }
        },
    ));
    assert!(shown.lines().count() <= 60, "more than a screen");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_prompt() {
    let shown = pretty(prompt::expand(
        quote!(crate = renamed::watertight, name = "answer.draft"),
        quote! {
            /// Draft an answer.
            #[cfg(feature = "prompts")]
            async fn draft(
                /// The ticket's number.
                number: i64,
                tone: Option<Tone>,
            ) -> ToolResult<Prompt> {
                Ok(Prompt::user("x"))
            }
        },
    ));
    insta::assert_snapshot!(shown);
}

#[test]
fn a_completion() {
    let shown = pretty(completion::expand(
        quote!(prompt = prompts::draft, requires = "tickets:read"),
        quote! {
            async fn complete_tone(
                cx: ToolContext,
                tone: String,
                number: Option<i64>,
            ) -> ToolResult<Vec<String>> {
                Ok(vec![tone])
            }
        },
    ));
    insta::assert_snapshot!(shown);
}

#[test]
fn mistakes_keep_the_function_and_what_it_is() {
    let shown = [
        pretty(resource::expand(
            quote!("crm://tenants/{id}/{+rest}", read_only),
            quote! {
                fn note(id: Vec<u64>, other: &str) -> u64 { 1 }
            },
        )),
        pretty(resource::expand(
            quote!("crm://tenants/{id}/{part}"),
            quote! {
                /// A note.
                async fn note(id: Option<u64>, other: u64) -> ToolResult<u64> { Ok(1) }
            },
        )),
        pretty(prompt::expand(
            quote!(),
            quote! {
                async fn draft(org: Vec<String>) -> String { org }
            },
        )),
        pretty(completion::expand(
            quote!(prompt = draft, resource = note),
            quote! {
                async fn complete(tone: Tone, number: i64) -> ToolResult<Vec<String>> { Ok(vec![]) }
            },
        )),
    ];
    insta::assert_snapshot!(shown.join("\n// ----\n\n"));
}

#[test]
fn a_half_typed_body_comes_back() {
    for shown in [
        resource::expand(
            quote!("note://{id}"),
            quote!(async fn note(id: u64) -> ToolResult<u64> { id. }),
        ),
        prompt::expand(
            quote!(),
            quote!(async fn note(id: u64) -> ToolResult<String> { id. }),
        ),
        completion::expand(
            quote!(),
            quote!(async fn note(id: String) -> ToolResult<Vec<String>> { id. }),
        ),
    ] {
        let shown = shown.to_string();
        assert!(shown.contains("{ id . }"), "{shown}");
        assert!(shown.contains("struct note"), "{shown}");
    }
}

#[test]
fn broken_items_come_back_as_they_were() {
    let item = quote!(async fn half(plan: ) -> ToolResult<u64> { 1 });
    for shown in [
        resource::expand(quote!("note://{id}"), item.clone()),
        prompt::expand(quote!(), item.clone()),
        completion::expand(quote!(), item.clone()),
    ] {
        let shown = shown.to_string();
        assert!(shown.contains(&item.to_string()), "{shown}");
        assert!(shown.contains("compile_error"), "{shown}");
    }
}

#[test]
fn labels_that_name_no_tenant_and_exceptions_pass() {
    for uri in [
        "crm://customers/{id}",
        "ticket://{id}",
        "repo://owners/{id}",
        "crm://x?plan={id}",
    ] {
        let shown = resource::expand(
            quote!(#uri),
            quote! {
                /// A row.
                async fn row(id: u64) -> ToolResult<u64> { Ok(id) }
            },
        );
        assert!(
            !shown.to_string().contains("compile_error"),
            "{uri}: {shown}"
        );
    }
    for uri in [
        "tenant://{id}",
        "crm://organizations/{id}",
        "crm://x?org={id}",
        "crm://tenant-{id}",
    ] {
        let refused = resource::expand(
            quote!(#uri),
            quote! {
                /// A row.
                async fn row(id: u64) -> ToolResult<u64> { Ok(id) }
            },
        );
        assert!(
            refused
                .to_string()
                .contains("makes the variable name a tenant"),
            "{uri}"
        );
        let excepted = resource::expand(
            quote!(#uri),
            quote! {
                /// A row.
                async fn row(#[tool(not_tenant = "a public register")] id: u64) -> ToolResult<u64> { Ok(id) }
            },
        );
        assert!(
            !excepted.to_string().contains("compile_error"),
            "{uri}: {excepted}"
        );
    }
}
