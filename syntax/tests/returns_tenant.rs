//! Rows that tell the tenant: what is asked of the compiler about their type, what is refused at
//! once because no type can be seen, and the reason that allows it.

#![allow(clippy::expect_used)]

use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::quote;
use watertight_analysis::catalog::Catalog;
use watertight_analysis::config::Config;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_syntax::project::{Files, Project, StatementFile};
use watertight_syntax::query::{self, Examined, Kind};

const MIGRATION: &str = "
    CREATE TABLE notes (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, body text, \"Kind\" text);
    CREATE TABLE customers (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, name text);
    ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
    ALTER TABLE customers FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON customers
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
    CREATE TABLE prices (plan text, cents bigint);
    COMMENT ON TABLE prices IS '@global price list';
";

struct Source;

impl Files for Source {
    fn project(&self, _: Option<&str>) -> Result<Arc<Project>, String> {
        let file = SourceFile {
            path: "0001_init.sql".to_owned(),
            text: MIGRATION.to_owned(),
        };
        let migrations = order(vec![file]).expect("one migration");
        Ok(Arc::new(Project {
            catalog: Catalog::build(&Config::default(), &migrations),
            files: Vec::new(),
        }))
    }

    fn statement(&self, path: &str) -> Result<StatementFile, String> {
        Err(format!("there is no `{path}`"))
    }
}

fn declared(attr: TokenStream, returned: TokenStream) -> Examined {
    let item = quote!(async fn rows(db: &mut Scope<'_>) -> #returned;);
    query::examine(Kind::Tenant, attr, item, &Source)
}

fn body(attr: TokenStream, statements: TokenStream) -> Examined {
    let item = quote!(async fn rows(db: &mut Scope<'_>) -> DbResult<()> { #statements });
    query::examine(Kind::Tenant, attr, item, &Source)
}

fn told(examined: &Examined) -> Vec<String> {
    examined.errors.iter().map(ToString::to_string).collect()
}

/// What the compiler says if the type may leave: the text in the panic.
fn asked(examined: &Examined) -> Option<String> {
    assert_eq!(told(examined), Vec::<String>::new());
    let tokens = examined.tokens.to_string();
    let (_, rest) = tokens.split_once(":: core :: panic ! (\"{}\" , ")?;
    let literal: syn::LitStr = syn::parse_str(rest.split_once(") ;").map_or_else(
        || rest.split_once(") }").expect("the end of the panic").0,
        |(literal, _)| {
            literal
                .split_once(") }")
                .map_or(literal, |(literal, _)| literal)
        },
    ))
    .expect("a literal");
    Some(literal.value())
}

#[test]
fn a_declared_statement_asks_about_its_row() {
    let examined = declared(
        quote!("SELECT * FROM customers WHERE name = 'x'"),
        quote!(DbResult<Vec<Customer>>),
    );
    let file: syn::File = syn::parse2(examined.tokens.clone()).expect("Rust");
    insta::assert_snapshot!(
        "a_star",
        prettyplease::unparse(&file)
            .replace(Source.project(None).expect("loads").catalog.id(), "CATALOG",)
    );
    insta::assert_snapshot!("a_star_as_told", asked(&examined).expect("a question"));
}

#[test]
fn the_mended_statement_names_the_other_columns() {
    for (sql, mended) in [
        (
            "SELECT * FROM customers",
            Some("SELECT id, name FROM customers"),
        ),
        (
            "SELECT c.* FROM customers c",
            Some("SELECT c.id, c.name FROM customers c"),
        ),
        (
            "SELECT c.*, p.cents FROM customers c, prices p",
            Some("SELECT c.id, c.name, p.cents FROM customers c, prices p"),
        ),
        (
            "SELECT tenant_id, name FROM customers",
            Some("SELECT name FROM customers"),
        ),
        (
            "SELECT name, tenant_id FROM customers",
            Some("SELECT name FROM customers"),
        ),
        (
            "SELECT id, tenant_id AS t, name FROM customers",
            Some("SELECT id, name FROM customers"),
        ),
        (
            "UPDATE customers SET name = 'x' RETURNING *",
            Some("UPDATE customers SET name = 'x' RETURNING id, name"),
        ),
        // By hand: an alias would stay behind, names would need quotes, nothing would be left.
        ("SELECT name, tenant_id AS t FROM customers", None),
        ("SELECT * FROM notes WHERE tenant_id = $tenant", None),
        ("SELECT tenant_id FROM customers", None),
        (
            "SELECT * FROM customers a JOIN customers b USING (id)",
            None,
        ),
    ] {
        let examined = declared(quote!(#sql), quote!(DbResult<Vec<Row>>));
        let text = asked(&examined).expect(sql);
        let found = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("help: write: "));
        assert_eq!(found, mended, "{text}");
        assert!(text.contains("`Row` may leave the server"), "{text}");
        assert!(text.contains("returns_tenant"), "{text}");
    }
}

#[test]
fn nothing_is_asked_where_nothing_is_told() {
    for (sql, returned) in [
        ("SELECT id, name FROM customers", quote!(DbResult<Vec<Row>>)),
        (
            "SELECT count(*) FROM customers WHERE tenant_id = $tenant",
            quote!(DbResult<i64>),
        ),
        ("SELECT * FROM prices", quote!(DbResult<Vec<Row>>)),
        ("UPDATE customers SET name = 'x'", quote!(DbResult<u64>)),
        ("DELETE FROM customers", quote!(DbResult<()>)),
        (
            "SELECT EXISTS (SELECT FROM customers)",
            quote!(DbResult<bool>),
        ),
    ] {
        assert_eq!(asked(&declared(quote!(#sql), returned)), None, "{sql}");
    }
}

#[test]
fn a_reason_allows_it_and_is_kept() {
    let examined = declared(
        quote!("SELECT * FROM customers", returns_tenant = "staff see it"),
        quote!(DbResult<Vec<Row>>),
    );
    assert_eq!(asked(&examined), None);
    let reasons: Vec<_> = examined
        .judged
        .iter()
        .map(|it| it.returns_tenant.as_deref())
        .collect();
    assert_eq!(reasons, [Some("staff see it")]);
}

#[test]
fn a_reason_for_nothing_is_refused() {
    for examined in [
        declared(
            quote!("SELECT name FROM customers", returns_tenant = "why not"),
            quote!(DbResult<Vec<Row>>),
        ),
        declared(
            quote!("DELETE FROM customers", returns_tenant = "why not"),
            quote!(DbResult<u64>),
        ),
        body(
            quote!(returns_tenant = "why not"),
            quote!(sqlx::query_as::<_, Row>("SELECT name FROM customers").fetch_all(db).await?; Ok(())),
        ),
        query::examine(
            Kind::Unproved,
            quote!(
                "SELECT name FROM customers",
                reason = "a report of staff",
                returns_tenant = "why not"
            ),
            TokenStream::new(),
            &Source,
        ),
    ] {
        let told = told(&examined);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("remove `returns_tenant`"), "{told:?}");
    }
}

#[test]
fn of_several_statements_the_one_that_tells_is_named() {
    let item = quote!(
        async fn rows(db: &mut Scope<'_>, full: bool) -> DbResult<Vec<Row>>;
    );
    let attr = quote!(
        "SELECT {full} FROM customers",
        full(true = "*", false = "id, name")
    );
    let examined = query::examine(Kind::Tenant, attr, item, &Source);
    let text = asked(&examined).expect("a question");
    assert!(text.contains("with `full` = `true`"), "{text}");
    assert_eq!(examined.tokens.to_string().matches("LEAVES").count(), 1);
}

#[test]
fn a_row_of_a_type_parameter_is_refused() {
    let item = quote!(
        async fn rows<T: Send>(db: &mut Scope<'_>) -> DbResult<Vec<Page<T>>>;
    );
    let examined = query::examine(
        Kind::Tenant,
        quote!("SELECT * FROM customers"),
        item,
        &Source,
    );
    let told = told(&examined);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("can't be seen from here"), "{told:?}");
}

#[test]
fn bodies_ask_about_what_is_written() {
    for statement in [
        quote!(
            sqlx::query_as::<_, Row>("SELECT * FROM customers")
                .fetch_all(db)
                .await?
        ),
        quote!(
            sqlx::query_scalar::<_, Uuid>("SELECT tenant_id FROM customers")
                .fetch_one(db)
                .await?
        ),
        quote!(
            sqlx::query_as!(Row, "SELECT * FROM customers")
                .fetch_all(db)
                .await?
        ),
    ] {
        let examined = body(TokenStream::new(), quote!(let rows = #statement; Ok(())));
        assert!(asked(&examined).is_some(), "{statement}");
    }
    for statement in [
        quote!(
            sqlx::query_as("SELECT * FROM customers")
                .fetch_all(db)
                .await?
        ),
        quote!(
            sqlx::query_as::<_, _>("SELECT * FROM customers")
                .fetch_all(db)
                .await?
        ),
        quote!(
            sqlx::query_scalar("SELECT tenant_id FROM customers")
                .fetch_one(db)
                .await?
        ),
        quote!(
            sqlx::query_scalar!("SELECT tenant_id FROM customers")
                .fetch_one(db)
                .await?
        ),
    ] {
        let examined = body(
            TokenStream::new(),
            quote!(let rows: Vec<Row> = #statement; Ok(())),
        );
        let told = told(&examined);
        assert_eq!(told.len(), 1, "{statement}");
        assert!(told[0].contains("can't be seen from here"), "{told:?}");
        let excused = body(
            quote!(returns_tenant = "staff see it"),
            quote!(let rows: Vec<Row> = #statement; Ok(())),
        );
        assert_eq!(asked(&excused), None, "{statement}");
    }
    // Columns that are read one by one.
    for statement in [
        quote!(sqlx::query("SELECT * FROM customers").fetch_all(db).await?),
        quote!(
            sqlx::query!("SELECT * FROM customers")
                .fetch_all(db)
                .await?
        ),
    ] {
        let examined = body(TokenStream::new(), quote!(let rows = #statement; Ok(())));
        assert_eq!(asked(&examined), None, "{statement}");
    }
}

#[test]
fn unproved_and_system() {
    let unproved = |attr| query::examine(Kind::Unproved, attr, TokenStream::new(), &Source);
    let refused = told(&unproved(quote!(
        "SELECT * FROM customers",
        reason = "a report of staff"
    )));
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("write: SELECT id, name FROM customers"),
        "{refused:?}"
    );
    let allowed = unproved(quote!(
        "SELECT * FROM customers",
        reason = "a report of staff",
        returns_tenant = "staff see it"
    ));
    assert_eq!(told(&allowed), Vec::<String>::new());
    // Before there is a tenant, the tenant is what is asked for; no tool reaches such a scope.
    let system = query::examine(
        Kind::System,
        quote!(
            "SELECT tenant_id FROM notes",
            role = "auth",
            tables(notes),
            reason = "a report of staff"
        ),
        quote!(
            async fn whose(db: &mut SystemScope<'_>) -> DbResult<Vec<Uuid>>;
        ),
        &Source,
    );
    assert_eq!(asked(&system), None);
}
