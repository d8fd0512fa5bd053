//! What the macros emit, as `cargo expand` would show it. An expansion must read like code that a
//! person would write; a snapshot that grows past a screen is a finding.

#![allow(clippy::expect_used)]

use proc_macro2::TokenStream;
use quote::quote;
use watertight_syntax::{input, tool};

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

#[test]
fn a_five_line_tool() {
    let shown = pretty(tool::expand(
        quote!(requires = "customers:read", read_only),
        quote! {
            /// List customers on a plan.
            async fn list_customers(
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
    assert!(shown.lines().count() <= 50, "more than a screen");
    insta::assert_snapshot!(shown);
}

#[test]
fn everything_at_once() {
    let shown = pretty(tool::expand(
        quote!(
            crate = renamed::watertight,
            name = "tickets.search",
            title = "Search tickets",
            requires = ["tickets:read", "search"],
            read_only = true,
            destructive = false,
            idempotent,
            open_world = false
        ),
        quote! {
            /// Search tickets.
            ///
            /// Full text, newest first.
            #[cfg(feature = "search")]
            #[tracing::instrument(skip_all)]
            pub(crate) async fn search(
                #[tool(length(1..=200), pattern = "^[a-z ]+$")] text: String,
                #[tool(length(..=5))] mut tags: Vec<String>,
                #[tool(range(0..), rename = "skip")] offset: Option<u64>,
                #[tool(default)] order: Order,
                #[tool(default = "open")] state: String,
                /// The repository's owner.
                #[tool(not_tenant = "the owner of a public repository")] owner: String,
                #[tool(open = "labels that users invent")] labels: HashMap<String, String>,
                cx: watertight::ToolContext,
            ) -> Result<Page<Ticket>, ToolError> {
                tags.sort();
                run(cx, text, tags, offset, order, state, owner, labels).await
            }
        },
    ));
    insta::assert_snapshot!(shown);
}

#[test]
fn no_arguments() {
    let shown = pretty(tool::expand(
        quote!(),
        quote! {
            /// Says what time it is.
            async fn clock() -> ToolResult<String> { Ok(now()) }
        },
    ));
    insta::assert_snapshot!(shown);
}

#[test]
fn mistakes_keep_the_function_and_the_tool() {
    let shown = pretty(tool::expand(
        quote!(read_olny, destructive, read_only),
        quote! {
            fn list(&plan: &str, #[tool(rnage(1..=2), range(9..=2))] tenant_id: u32) -> u64 { plan }
        },
    ));
    insta::assert_snapshot!(shown);
}

#[test]
fn a_half_typed_body_comes_back() {
    let shown = tool::expand(
        quote!(),
        quote! {
            /// List.
            async fn list(plan: String) -> ToolResult<u64> { plan. }
        },
    )
    .to_string();
    assert!(shown.contains("{ plan . }"), "{shown}");
    assert!(shown.contains("struct list"), "{shown}");
}

#[test]
fn a_method_comes_back_alone() {
    let shown = tool::expand(
        quote!(),
        quote! {
            /// List.
            async fn list(&self) -> ToolResult<u64> { Ok(self.count) }
        },
    )
    .to_string();
    assert!(shown.contains("async fn list (& self)"), "{shown}");
    assert!(!shown.contains("struct"), "{shown}");
    assert_eq!(shown.matches("compile_error").count(), 1, "{shown}");
}

#[test]
fn broken_items_come_back_as_they_were() {
    for item in [
        quote!(
            struct NotAFunction;
        ),
        quote!(async fn half(plan: ) -> ToolResult<u64> { 1 }),
    ] {
        let shown = tool::expand(quote!(), item.clone()).to_string();
        assert!(shown.contains(&item.to_string()), "{shown}");
        assert!(shown.contains("compile_error"), "{shown}");
    }
}

#[test]
fn an_input_struct() {
    let shown = pretty(input::derive_tool_input(quote! {
        #[serde(rename_all = "camelCase")]
        struct Filter<T> {
            plan: Option<String>,
            #[tool(not_tenant = "the owner of a public repository")]
            owner: String,
            #[serde(flatten)]
            page: Page<T>,
            #[serde(skip)]
            tenant_id: Cache,
            #[serde(with = "hex")]
            #[tool(open = "sixteen bytes, in hex")]
            digest: [u8; 16],
            #[tool(open = "labels that users invent")]
            labels: HashMap<String, String>,
        }
    }));
    insta::assert_snapshot!(shown);
}

#[test]
fn an_input_enum() {
    let shown = pretty(input::derive_tool_input(quote! {
        #[serde(tag = "kind")]
        enum Change {
            Tenant,
            Rename { name: String },
            Move(Target),
        }
    }));
    insta::assert_snapshot!(shown);
}

/// Every error of a derive, in order.
fn errors(item: TokenStream) -> Vec<String> {
    let shown = input::derive_tool_input(item).to_string();
    shown
        .split("compile_error ! {")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|text| text.trim().trim_matches('"').to_owned())
        .collect()
}

fn first_words(item: TokenStream) -> Vec<String> {
    errors(item)
        .into_iter()
        .map(|text| {
            text.split(['\n', ' '])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn names_are_checked_after_renaming() {
    for item in [
        quote!(
            struct A {
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename = "tenant_id")]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename(deserialize = "tenant_id"))]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(alias = "tenant_id")]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[schemars(rename = "tenant_id")]
                a: u64,
            }
        ),
        quote!(
            #[serde(tag = "tenant_id")]
            enum A {
                B { c: u64 },
            }
        ),
        quote!(
            #[serde(rename_all = "snake_case")]
            enum A {
                TenantId(u64),
            }
        ),
        quote!(
            enum A {
                B { tenant_id: u64 },
            }
        ),
        quote!(
            #[serde(untagged)]
            enum A {
                B { tenant_id: u64 },
            }
        ),
    ] {
        assert_eq!(first_words(item.clone()), ["`tenant_id`"], "{item}");
    }
    let camel = quote!(
        #[serde(rename_all = "camelCase")]
        struct A {
            tenant_id: u64,
        }
    );
    assert_eq!(first_words(camel), ["`tenantId`"]);
    let fields = quote!(
        #[serde(rename_all_fields = "kebab-case")]
        enum A {
            B { tenant_id: u64 },
        }
    );
    assert_eq!(first_words(fields), ["`tenant-id`"]);
}

#[test]
fn innocent_names_pass() {
    for item in [
        quote!(
            struct A {
                #[serde(rename = "plan")]
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename(serialize = "tenant_id"))]
                plan: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(skip_deserializing)]
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[tool(not_tenant = "renter of a flat")]
                tenant: u64,
            }
        ),
        quote!(
            enum A {
                Tenant,
                User,
            }
        ),
        quote!(
            #[serde(tag = "kind")]
            enum A {
                Tenant { plan: u64 },
            }
        ),
    ] {
        assert_eq!(errors(item.clone()), Vec::<String>::new(), "{item}");
    }
}

#[test]
fn hand_written_reading_needs_a_reason() {
    for item in [
        quote!(
            struct A {
                #[serde(with = "x")]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(deserialize_with = "x")]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[schemars(with = "String")]
                a: u64,
            }
        ),
        quote!(
            #[schemars(transform = f)]
            struct A {
                a: u64,
            }
        ),
        quote!(
            #[serde(remote = "B")]
            #[tool(open = "never enough")]
            struct A {
                a: u64,
            }
        ),
        quote!(
            enum A {
                #[serde(with = "x")]
                B(u64),
            }
        ),
        quote!(
            struct A {
                #[serde(flatten)]
                #[schemars(!flatten)]
                a: B,
            }
        ),
        quote!(
            struct A {
                #[serde(rename_the_whole = "x")]
                a: u64,
            }
        ),
    ] {
        assert_eq!(errors(item.clone()).len(), 1, "{item}");
    }
    for item in [
        quote!(
            #[schemars(transform = f)]
            #[tool(open = "takes out a title")]
            struct A {
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(with = "time::serde::rfc3339")]
                #[schemars(with = "String")]
                due: time::OffsetDateTime,
            }
        ),
    ] {
        assert_eq!(errors(item.clone()), Vec::<String>::new(), "{item}");
    }
}

#[test]
fn another_type_is_read_in_its_place() {
    let shown = pretty(input::derive_tool_input(quote! {
        #[serde(try_from = "Raw")]
        struct Period {
            tenant_id: TenantId,
        }
    }));
    assert!(shown.contains("fields.read_as::<Raw>();"), "{shown}");
    assert!(!shown.contains("TenantId"), "{shown}");
}

#[test]
fn all_mistakes_are_reported() {
    let item = quote! {
        struct A<'a> {
            tenant_id: u64,
            #[serde(with = "x")]
            plan: &'a str,
            #[tool(oepn = "x")]
            org_id: u64,
            tenant_key: u64,
        }
    };
    assert!(errors(item).len() >= 4);
}
