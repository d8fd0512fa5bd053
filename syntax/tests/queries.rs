//! What the query macros emit, as `cargo expand` would show it, and what they refuse.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::quote;
use watertight_analysis::catalog::Catalog;
use watertight_analysis::config::Config;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_syntax::project::{MigrationFile, Project};
use watertight_syntax::query;

const MIGRATION: &str = "
    CREATE TABLE customers (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, name text, plan text);
    ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
    ALTER TABLE customers FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON customers
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
    CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, body text);
    CREATE TABLE api_keys (hash bytea PRIMARY KEY, tenant_id uuid NOT NULL);
";

fn load(config: &Config) -> Result<Arc<Project>, String> {
    let file = SourceFile {
        path: "0001_init.sql".to_owned(),
        text: MIGRATION.to_owned(),
    };
    let migrations = order(vec![file]).expect("one migration");
    Ok(Arc::new(Project {
        catalog: Catalog::build(config, &migrations),
        files: vec![MigrationFile {
            path: "migrations/0001_init.sql".to_owned(),
            version: "1".to_owned(),
            checksum: "c0ffee".to_owned(),
        }],
    }))
}

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    let shown = prettyplease::unparse(&file);
    // The identity of the catalog changes with every configuration key; its place is what counts.
    let id = load(&Config::default())
        .expect("loads")
        .catalog
        .id()
        .to_owned();
    shown.replace(&id, "CATALOG")
}

fn tenant(attr: TokenStream, item: TokenStream) -> String {
    let shown = pretty(query::tenant(attr, item, &|_| load(&Config::default())));
    assert!(shown.lines().count() <= 40, "more than a screen");
    shown
}

/// The texts of the `compile_error!`s.
fn errors(tokens: TokenStream) -> Vec<String> {
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    file.items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Macro(item) if item.mac.path.segments.last()?.ident == "compile_error" => {
                Some(
                    item.mac
                        .parse_body::<syn::LitStr>()
                        .expect("a text")
                        .value(),
                )
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_declared_statement() {
    insta::assert_snapshot!(tenant(
        quote!("SELECT id, name FROM customers WHERE plan = $plan ORDER BY name LIMIT $limit"),
        quote! {
            /// Customers on a plan.
            pub async fn on_plan(db: &mut Scope<'_>, plan: &str, limit: i64) -> DbResult<Vec<Customer>>;
        },
    ));
}

#[test]
fn a_declared_write_with_the_tenant() {
    insta::assert_snapshot!(tenant(
        quote!("UPDATE notes SET body = $body WHERE id = $id AND tenant_id = $tenant"),
        quote!(
            async fn edit(db: &mut WriteScope<'_>, id: i64, body: &str) -> DbResult<u64>;
        ),
    ));
}

#[test]
fn around_a_body() {
    insta::assert_snapshot!(tenant(
        quote!(),
        quote! {
            async fn names(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<String>> {
                let count = query_as!(Count, "SELECT count(*) AS n FROM notes WHERE tenant_id = $tenant")
                    .fetch_one(db)
                    .await?;
                sqlx::query_scalar::<_, String>("SELECT name FROM customers WHERE plan = $1")
                    .bind(plan)
                    .fetch_all(db)
                    .await
            }
        },
    ));
}

#[test]
fn a_system_query() {
    let attr = quote!(
        "SELECT tenant_id FROM api_keys WHERE hash = $hash",
        role = "auth",
        tables(api_keys),
        reason = "a key names its tenant"
    );
    let item = quote!(
        async fn tenant_of(db: &mut SystemScope<'_>, hash: &[u8]) -> DbResult<Option<Uuid>>;
    );
    insta::assert_snapshot!(pretty(query::system(attr, item, &|_| load(
        &Config::default()
    ))));
}

#[test]
fn the_embedded_catalog() {
    let tokens = query::catalog(quote!(), &|_| load(&Config::default()));
    insta::assert_snapshot!(pretty(quote!(const CATALOG: Catalog = #tokens;)));
}

#[test]
fn a_refused_function_keeps_its_signature() {
    insta::assert_snapshot!(tenant(
        quote!("SELECT body FROM notes"),
        quote!(
            pub async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;
        ),
    ));
}

#[test]
fn what_is_expanded_is_what_was_proved() {
    // `$tenant` of a body's macro is the setting; the literal in the proof and in the call agree.
    let shown = tenant(
        quote!(),
        quote! {
            async fn f(db: &mut Scope<'_>) -> DbResult<i64> {
                sqlx::query_scalar!("SELECT count(*) FROM notes WHERE tenant_id = $tenant").fetch_one(db).await
            }
        },
    );
    assert_eq!(
        shown
            .matches("current_setting('app.tenant_id', true)")
            .count(),
        2,
        "{shown}"
    );
    assert!(shown.contains("::sqlx::query_scalar!"), "{shown}");
}

#[test]
fn mistakes_are_told_one_by_one() {
    let load = &|_: Option<&str>| load(&Config::default());
    let cases: &[(TokenStream, TokenStream, &[&str])] = &[
        (
            quote!("SELECT name FROM customers WHERE plan = $paln"),
            quote!(
                async fn f(db: &mut Scope<'_>, plan: &str) -> DbResult<Vec<String>>;
            ),
            &["`$paln` is not an argument"],
        ),
        (
            quote!("SELECT name FROM customers", wrong = 1),
            quote!(
                fn f(db: &mut Scope<'_>, (a, b): (i64, i64)) -> DbResult<Vec<String>>;
            ),
            &[
                "unknown argument `wrong`",
                "write `async fn f`",
                "is a plain name",
            ],
        ),
        (
            quote!("SELECT name FROM customers WHERE id = $1"),
            quote!(
                async fn f(db: &mut Scope<'_>, id: i64, x: i64) -> Vec<String>;
            ),
            &[
                "write `DbResult<Vec<String>>`",
                "does not use the argument `x`",
            ],
        ),
        (
            quote!("SELECT name FROM customers"),
            quote!(
                async fn f(db: &mut Scope<'_>) -> DbResult<()>;
            ),
            &["`()` would drop them"],
        ),
        (
            quote!("SELECT 1"),
            quote!(
                async fn f(db: &mut Scope<'_>) -> DbResult<i32> {
                    Ok(1)
                }
            ),
            &["has a statement and a body"],
        ),
        (
            quote!(),
            quote!(
                async fn f(db: &mut Scope<'_>) -> DbResult<i32> {
                    Ok(1)
                }
            ),
            &["no statement in this body"],
        ),
        (
            quote!(),
            quote! {
                async fn f(db: &mut Scope<'_>, sql: &'static str) -> DbResult<()> {
                    sqlx::query(concat!("SELECT ", "1")).execute(db).await?;
                    sqlx::query(sql).execute(db).await?;
                    sqlx::query_file!("a.sql").execute(db).await?;
                    sqlx::query("SELECT name FROM customers WHERE plan = $plan").execute(db).await?;
                    show!(a => sqlx::query("SELECT 1"));
                    Ok(())
                }
            },
            &[
                "`concat!` makes",
                "not a literal",
                "from a file",
                "`$plan` has a name",
                "can't be seen",
            ],
        ),
    ];
    for (attr, item, expected) in cases {
        let found = errors(query::tenant(attr.clone(), item.clone(), load));
        assert_eq!(found.len(), expected.len(), "{item}: {found:#?}");
        for expected in *expected {
            assert!(
                found.iter().any(|text| text.contains(expected)),
                "{expected}: {found:#?}"
            );
        }
    }
}

#[test]
fn unproved_needs_a_reason_and_may_be_forbidden() {
    let sql = quote!("SELECT name FROM customers", reason = "shown");
    let allowed = query::unproved(sql.clone(), &|_| load(&Config::default()));
    assert!(!allowed.to_string().contains("compile_error"), "{allowed}");
    let mut config = Config::default();
    config.forbid_unproved = true;
    let forbidden = query::unproved(sql, &|_| load(&config));
    assert!(
        forbidden.to_string().contains("forbids `unproved!`"),
        "{forbidden}"
    );
    let silent = query::unproved(quote!("SELECT 1"), &|_| load(&Config::default()));
    assert!(silent.to_string().contains("say why"), "{silent}");
}

#[test]
fn a_project_that_can_not_be_read_refuses() {
    let nothing = |_: Option<&str>| Err("no migrations at `x`".to_owned());
    let item = quote!(
        async fn f(db: &mut Scope<'_>) -> DbResult<i32>;
    );
    assert_eq!(
        errors(query::tenant(quote!("SELECT 1"), item, &nothing)),
        ["no migrations at `x`"]
    );
    assert!(
        query::catalog(quote!(), &nothing)
            .to_string()
            .contains("compile_error")
    );
}
