//! What the query macros emit, as `cargo expand` would show it, and what they refuse.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::quote;
use watertight_analysis::catalog::Catalog;
use watertight_analysis::config::Config;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_syntax::project::{Files, MigrationFile, Project, StatementFile};
use watertight_syntax::query;

const MIGRATION: &str = "
    CREATE TABLE customers (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, name text, plan text);
    ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
    ALTER TABLE customers FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON customers
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
    CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, body text, price numeric);
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

/// The project above under a configuration, and one statement file.
struct Source(Config);

impl Files for Source {
    fn project(&self, _: Option<&str>) -> Result<Arc<Project>, String> {
        load(&self.0)
    }

    fn statement(&self, path: &str) -> Result<StatementFile, String> {
        let text = match path {
            "notes.sql" => "-- All notes.\nSELECT body FROM notes WHERE tenant_id = $tenant",
            "leak.sql" => "-- All notes.\nSELECT body\n  FROM notes",
            _ => return Err(format!("there is no `{path}`")),
        };
        Ok(StatementFile {
            path: format!("/package/{path}"),
            text: text.to_owned(),
        })
    }
}

fn source() -> Source {
    Source(Config::default())
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
    let shown = pretty(query::tenant(attr, item, &source()));
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
    insta::assert_snapshot!(pretty(query::system(attr, item, &source())));
}

#[test]
fn the_embedded_catalog() {
    let tokens = query::catalog(quote!(), &source());
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
                "there is no `a.sql`",
                "`$plan` has a name",
                "can't be seen",
            ],
        ),
    ];
    for (attr, item, expected) in cases {
        let found = errors(query::tenant(attr.clone(), item.clone(), &source()));
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
    let allowed = query::unproved(sql.clone(), &source());
    assert!(!allowed.to_string().contains("compile_error"), "{allowed}");
    let mut config = Config::default();
    config.forbid_unproved = true;
    let forbidden = query::unproved(sql, &Source(config));
    assert!(
        forbidden.to_string().contains("forbids `unproved!`"),
        "{forbidden}"
    );
    let silent = query::unproved(quote!("SELECT 1"), &source());
    assert!(
        silent.to_string().contains("why this statement"),
        "{silent}"
    );
}

#[test]
fn a_project_that_can_not_be_read_refuses() {
    struct Nothing;
    impl Files for Nothing {
        fn project(&self, _: Option<&str>) -> Result<Arc<Project>, String> {
            Err("no migrations at `x`".to_owned())
        }
        fn statement(&self, _: &str) -> Result<StatementFile, String> {
            Err("no files".to_owned())
        }
    }
    let nothing = Nothing;
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

#[test]
fn bounded_choices() {
    insta::assert_snapshot!(pretty(query::tenant(
        quote!(
            "SELECT name FROM customers WHERE name <> '{}' {plan} ORDER BY {sort}",
            sort(name = "name", newest_first = "id DESC"),
            optional(plan = "AND plan = $plan")
        ),
        quote!(
            async fn search(
                db: &mut Scope<'_>,
                plan: Option<&str>,
                sort: Sort,
            ) -> DbResult<Vec<String>>;
        ),
        &source(),
    )));
}

fn examined(attr: TokenStream, item: TokenStream) -> query::Examined {
    query::examine(query::Kind::Tenant, attr, item, &source())
}

#[test]
fn every_combination_is_judged_and_binds_what_it_uses() {
    let examined = examined(
        quote!(
            "SELECT body FROM notes WHERE tenant_id = $tenant {text} {open} ORDER BY {sort}",
            sort(id = "id", body = "body, id"),
            optional(text = "AND body = $text", open = "AND id > 0")
        ),
        quote!(
            async fn f(
                db: &mut Scope<'_>,
                text: Option<&str>,
                open: bool,
                sort: &Sort,
            ) -> DbResult<Vec<String>>;
        ),
    );
    assert!(examined.errors.is_empty(), "{:?}", examined.errors);
    let found: Vec<(&str, &str)> = examined
        .judged
        .iter()
        .map(|it| {
            (
                it.combination.as_deref().unwrap_or(""),
                it.sql.as_deref().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(found.len(), 8);
    assert_eq!(
        found[3],
        (
            "`sort` = `id` and `text` given and `open` given",
            "SELECT body FROM notes WHERE tenant_id = $2 AND body = $1 AND id > 0 ORDER BY id"
        )
    );
    assert!(examined.judged.iter().all(|it| it.proof.is_some()));
    let shown = examined.tokens.to_string();
    assert_eq!(shown.matches(". bind (text)").count(), 4, "{shown}");
}

#[test]
fn a_leak_in_one_fragment_is_told_once_with_its_combination() {
    let examined = examined(
        quote!(
            "SELECT body FROM notes WHERE tenant_id = $tenant {more} ORDER BY {sort}",
            sort(id = "id", body = "body"),
            more(none = "", all = "OR true")
        ),
        quote!(
            async fn f(db: &mut Scope<'_>, sort: Sort, more: More) -> DbResult<Vec<String>>;
        ),
    );
    let texts: Vec<String> = examined.errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert!(texts[0].contains("with `more` = `all`\n"), "{}", texts[0]);
}

#[test]
fn mistakes_with_choices() {
    let choice = quote!(sort(name = "name", id = "id"));
    let cases: &[(TokenStream, TokenStream, &[&str])] = &[
        (
            quote!("SELECT name FROM customers ORDER BY {sotr}", #choice),
            quote!(sort: Sort),
            &["nothing says what `{sotr}`"],
        ),
        (
            quote!("SELECT name FROM customers ORDER BY {sort}", #choice),
            quote!(),
            &["add the argument `sort: Sort`, with `enum Sort { Name, Id }`"],
        ),
        (
            quote!("SELECT name FROM customers ORDER BY {sort}", #choice),
            quote!(sort: Option<Sort>),
            &["always stands in the statement"],
        ),
        (
            quote!("SELECT name FROM customers ORDER BY {sort}", #choice),
            quote!(sort: bool),
            &["true = "],
        ),
        (
            quote!(
                "SELECT name FROM customers ORDER BY {sort}",
                sort(name = "name", name = "id")
            ),
            quote!(sort: Sort),
            &["`name` is there twice"],
        ),
        (
            quote!(
                "SELECT name FROM customers ORDER BY {sort}",
                sort(true = "name")
            ),
            quote!(sort: bool),
            &["not what `false` does"],
        ),
        (
            quote!("SELECT name FROM customers ORDER BY {sort}", sort(name = 1)),
            quote!(sort: Sort),
            &["a fragment is a string literal"],
        ),
        (
            quote!(
                "SELECT name FROM customers WHERE id > 0 {plan}",
                optional(plan = "AND plan = 'pro'")
            ),
            quote!(plan: Option<&str>),
            &["the value of `plan` is not used"],
        ),
        (
            quote!(
                "SELECT name FROM customers ORDER BY {sort}",
                sort(name = "{other}")
            ),
            quote!(sort: Sort),
            &["holds no placeholders"],
        ),
        (
            quote!("SELECT name FROM customers ORDER BY {}"),
            quote!(),
            &["a `{` that is no placeholder", "a `}` that"],
        ),
        (
            quote!(
                "SELECT name FROM customers WHERE plan = $plna {x}",
                optional(x = "AND id = $x")
            ),
            quote!(plan: &str, x: Option<i64>),
            &["`$plna` is not an argument"],
        ),
        (
            quote!("SELECT 1", file = "notes.sql"),
            quote!(),
            &["is here and in a file"],
        ),
        (quote!(file = "leak.sql"), quote!(), &["--> leak.sql:3:8"]),
        (
            quote!(
                "SELECT {a} {b} {c} {d}",
                a(a = "1", b = "2", c = "3"),
                b(a = "", b = "", c = ""),
                c(a = "", b = "", c = ""),
                d(a = "", b = "", c = "")
            ),
            quote!(a: A, b: B, c: C, d: D),
            &["make 81 statements, and at most 64"],
        ),
        (
            quote!("SELECT name FROM customers WHERE plan = $1 ORDER BY {sort}", #choice),
            quote!(sort: Sort, plan: &str),
            &["write `$plan`, which is the argument `plan`"],
        ),
        (
            quote!(
                "SELECT body FROM notes WHERE tenant_id = $tenant {x}",
                optional(x = "AND id < $x")
            ),
            quote!(x: Option<f64>),
            &["`x` is `Option<f64>`, and `$x` stands"],
        ),
    ];
    for (attr, arguments, expected) in cases {
        let item = quote!(
            async fn f(db: &mut Scope<'_>, #arguments) -> DbResult<Vec<String>>;
        );
        let found: Vec<String> = examined(attr.clone(), item)
            .errors
            .iter()
            .map(ToString::to_string)
            .collect();
        let all = found.join("\n");
        for expected in expected.iter() {
            assert!(all.contains(expected), "{expected}: {found:#?}");
        }
        assert!(found.len() <= expected.len(), "{found:#?}");
    }
}

#[test]
fn a_statement_from_a_file_is_proved_and_watched() {
    insta::assert_snapshot!(tenant(
        quote!(file = "notes.sql"),
        quote!(
            async fn f(db: &mut Scope<'_>) -> DbResult<Vec<String>>;
        ),
    ));
    insta::assert_snapshot!(tenant(
        quote!(),
        quote! {
            async fn f(db: &mut Scope<'_>) -> DbResult<Vec<Note>> {
                sqlx::query_file_as!(Note, "notes.sql").fetch_all(db).await
            }
        },
    ));
}

/// Without row-level security a float decides what becomes of the column beside it.
#[test]
fn floats_without_a_cast() {
    let body = |statement: TokenStream| {
        let item = quote!(
            async fn f(db: &mut Scope<'_>, x: f64) -> DbResult<()> {
                #statement
            }
        );
        let found = examined(quote!(), item).errors;
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        texts
    };
    let notes = "SELECT body FROM notes WHERE tenant_id = $tenant AND id < $1";
    let cast = "SELECT body FROM notes WHERE tenant_id = $tenant AND id < $1::bigint";
    let customers = "SELECT name FROM customers WHERE id < $1";
    for refused in [
        quote!(sqlx::query_with(#notes, values);),
        quote!(sqlx::query_unchecked!(#notes, x);),
        quote!(sqlx::query!(#notes, x as f64);),
        quote!(sqlx::query!(#notes, x as _);),
    ] {
        let texts = body(refused.clone());
        assert!(
            matches!(texts.as_slice(), [text] if text.contains("$1::")),
            "{refused}: {texts:#?}"
        );
    }
    for fine in [
        // The server's type is compared by sqlx, or the value is looked at when it is bound.
        quote!(sqlx::query!(#notes, x);),
        quote!(sqlx::query(#notes).bind(x);),
        quote!(sqlx::query_with(#cast, values);),
        quote!(sqlx::query_unchecked!(#cast, x);),
        quote!(sqlx::query_with(#customers, values);),
        quote!(sqlx::query_unchecked!(#customers, x);),
    ] {
        assert_eq!(body(fine.clone()), Vec::<String>::new(), "{fine}");
    }
    let guarded = tenant(
        quote!("SELECT body FROM notes WHERE tenant_id = $tenant AND id < $x"),
        quote!(
            async fn f(db: &mut Scope<'_>, x: Alias) -> DbResult<Vec<String>>;
        ),
    );
    assert!(guarded.contains(".uncast(&[1])"), "{guarded}");
}
