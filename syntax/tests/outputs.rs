//! What `#[derive(ToolOutput)]` emits and refuses.

#![allow(clippy::expect_used)]

use proc_macro2::TokenStream;
use quote::quote;
use watertight_syntax::output;

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

/// The first word of every error, in order.
fn errors(item: TokenStream) -> Vec<String> {
    let shown = output::derive_tool_output(item).to_string();
    shown
        .split("compile_error ! {")
        .skip(1)
        .filter_map(|rest| {
            rest.trim()
                .trim_start_matches('"')
                .split([' ', '\\'])
                .next()
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_output_struct() {
    let shown = pretty(output::derive_tool_output(quote! {
        #[serde(rename_all = "camelCase")]
        struct Ticket<T> {
            id: Uuid,
            owner: String,
            #[serde(flatten)]
            page: Page<T>,
            #[serde(skip_serializing)]
            tenant_id: Uuid,
            #[tool(not_tenant = "renter of a flat")]
            tenant: String,
            #[serde(serialize_with = "hex")]
            #[tool(open = "sixteen bytes, in hex")]
            digest: [u8; 16],
            #[tool(open = "fields that users invent")]
            details: serde_json::Value,
        }
    }));
    insta::assert_snapshot!(shown);
}

#[test]
fn an_output_enum_with_a_mistake() {
    let shown = pretty(output::derive_tool_output(quote! {
        #[serde(tag = "kind")]
        enum Change {
            Renamed { name: String },
            Moved { org_id: Uuid },
        }
    }));
    insta::assert_snapshot!(shown);
}

#[test]
fn names_are_checked_as_serde_writes_them() {
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
                #[serde(rename(serialize = "tenant_id"))]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename(serialize = "tenant_id", deserialize = "a"))]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename(deserialize = "a"))]
                tenant_id: u64,
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
                #[serde(skip_serializing_if = "never")]
                tenant_id: u64,
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
            #[serde(tag = "t", content = "tenant_id")]
            enum A {
                B(u64),
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
        assert_eq!(errors(item.clone()), ["`tenant_id`"], "{item}");
    }
    let screaming = quote!(
        #[serde(rename_all(serialize = "SCREAMING-KEBAB-CASE"))]
        struct A {
            tenant_id: u64,
        }
    );
    assert_eq!(errors(screaming), ["`TENANT-ID`"]);
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
                #[serde(rename(serialize = "plan"))]
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(rename(deserialize = "tenant_id"))]
                plan: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(alias = "tenant_id")]
                plan: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(skip)]
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(skip_serializing)]
                tenant_id: u64,
            }
        ),
        quote!(
            struct A {
                #[tool(not_tenant = "renter of a flat")]
                tenant: u64,
            }
        ),
        // Honest in a result, though an argument of that name has to explain itself.
        quote!(
            struct A {
                owner: String,
                customer: u64,
                account_id: u64,
                team: String,
                project: u8,
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
fn hand_written_writing_needs_a_reason() {
    for item in [
        quote!(
            struct A {
                #[serde(with = "time::serd::rfc3339")]
                a: u64,
            }
        ),
        quote!(
            struct A {
                #[serde(serialize_with = "x")]
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
            #[serde(into = "B")]
            struct A {
                a: u64,
            }
        ),
        quote!(
            #[schemars(extend("x" = 1))]
            struct A {
                a: u64,
            }
        ),
    ] {
        assert_eq!(errors(item.clone()).len(), 1, "{item}");
    }
    for item in [
        quote!(
            #[serde(into = "B")]
            #[tool(open = "B is checked")]
            struct A {
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
            #[serde(try_from = "B")]
            struct A {
                a: u64,
            }
        ),
    ] {
        assert_eq!(errors(item.clone()), Vec::<String>::new(), "{item}");
    }
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
    assert_eq!(errors(item).len(), 6);
}
