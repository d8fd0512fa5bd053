//! Rules of the prover whose weakening once passed unnoticed, over schemas of their own: other kinds of
//! tenants, and operators, casts and collations of the migrations. `MUTANTS.md` lists them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::catalog_of;
use watertight_analysis::config::TenantKind;
use watertight_analysis::prove::prove_system;
use watertight_analysis::{Code, Config, TenantBinding, prepare};

/// The codes of the refusal over a schema of one's own; empty when it is proved.
fn codes_over(config: &Config, schema: &str, sql: &str) -> Vec<Code> {
    common::codes(&catalog_of(config, schema), sql)
}

fn of_kind(kind: TenantKind) -> Config {
    let mut config = Config::default();
    config.tenant.kind = kind;
    config
}

/// Under a collation that takes numbers for numbers, `01a1…` and `1a01…` are equal texts of two
/// tenants.
#[test]
fn texts_are_the_same_under_collations_of_the_server_alone() {
    let schema = |collate: &str| {
        format!(
            "CREATE COLLATION numbers (provider = icu, locale = 'und-u-kn', deterministic = false);
             CREATE TABLE t (tenant_id uuid NOT NULL, id int);
             CREATE TABLE g (code text {collate});
             COMMENT ON TABLE g IS '@global codes';"
        )
    };
    for sql in [
        "SELECT t.id FROM t JOIN g ON g.code = t.tenant_id::text WHERE g.code = $tenant::text",
        "SELECT t.id FROM t JOIN g ON t.tenant_id::text = g.code WHERE $tenant::text = g.code",
    ] {
        let found = |collate: &str| codes_over(&Config::default(), &schema(collate), sql);
        assert_eq!(found(""), [], "{sql}");
        assert_eq!(found("COLLATE numbers"), [Code::UNPINNED], "{sql}");
    }
    // A text tenant: 'ACME' is not 'acme'.
    let schema = |collate: &str| {
        format!(
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE t (tenant_id text NOT NULL, id int);
             CREATE TABLE g (code text {collate});
             COMMENT ON TABLE g IS '@global codes';"
        )
    };
    for sql in [
        "SELECT t.id FROM t JOIN g ON g.code = t.tenant_id WHERE g.code = $tenant",
        "SELECT t.id FROM t JOIN g ON t.tenant_id = g.code WHERE $tenant = g.code",
    ] {
        let found = |collate: &str| codes_over(&of_kind(TenantKind::Text), &schema(collate), sql);
        assert_eq!(found(""), [], "{sql}");
        assert_eq!(found("COLLATE ci"), [Code::UNPINNED], "{sql}");
    }
}

#[test]
fn a_collation_of_the_migrations_is_refused_where_it_is_named() {
    let schema =
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (tenant_id uuid NOT NULL, id int, name text);";
    let found = |collation: &str| {
        codes_over(
            &Config::default(),
            schema,
            &format!(
                "SELECT id FROM t WHERE tenant_id = $tenant AND name COLLATE {collation} = $name"
            ),
        )
    };
    assert_eq!(found("\"C\""), []);
    assert_eq!(found("ci"), [Code::SHADOWED]);
}

/// A cast of the migrations can make one text of all tenants.
#[test]
fn a_text_is_the_tenants_only_by_the_casts_of_the_server() {
    let schema =
        |before: &str| format!("{before} CREATE TABLE t (tenant_id uuid NOT NULL, id int);");
    let sql = "SELECT id FROM t WHERE tenant_id::text OPERATOR(pg_catalog.=) $tenant::text";
    let found = |more: &str| codes_over(&Config::default(), &schema(more), sql);
    assert_eq!(found(""), []);
    // One that was dropped counts as well; one that is there is refused for itself.
    let dropped = "CREATE FUNCTION one(uuid) RETURNS text LANGUAGE sql AS $$ SELECT 'one' $$;
        CREATE CAST (uuid AS text) WITH FUNCTION one(uuid);
        DROP CAST (uuid AS text);";
    let codes = found(dropped);
    assert!(codes.contains(&Code::UNPINNED), "{codes:?}");
}

/// `'ab'::varchar(1)` is one text of many tenants, and so is their first letter.
#[test]
fn a_text_tenant_that_is_cut_is_another() {
    let schema = "CREATE TABLE t (tenant_id text NOT NULL, id int);";
    let found = |sql: &str| {
        codes_over(
            &of_kind(TenantKind::Text),
            schema,
            &format!("SELECT id FROM t WHERE {sql}"),
        )
    };
    assert_eq!(found("tenant_id::varchar = $tenant::varchar"), []);
    assert_eq!(found("tenant_id = ANY (ARRAY[$tenant]::varchar[])"), []);
    for (sql, code) in [
        (
            "tenant_id::varchar(1) = $tenant::varchar(1)",
            Code::UNPINNED,
        ),
        ("tenant_id::varchar(1) = $tenant", Code::UNPINNED),
        ("tenant_id = $tenant::varchar(1)", Code::CALLER_TENANT),
        (
            "tenant_id = ANY (ARRAY[$tenant]::varchar(1)[])",
            Code::CALLER_TENANT,
        ),
    ] {
        assert_eq!(found(sql), [code], "{sql}");
    }
}

/// An operator over `anyelement` is one for every type.
#[test]
fn operators_for_any_type_shadow() {
    let schema = |left: &str, right: &str| {
        format!(
            "CREATE TABLE t (tenant_id uuid NOT NULL, id int);
             CREATE TYPE own AS (a int);
             CREATE FUNCTION always({left}, {right}) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR = (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = always);"
        )
    };
    let sql = "SELECT id FROM t WHERE tenant_id = $tenant";
    let found = |left: &str, right: &str| codes_over(&Config::default(), &schema(left, right), sql);
    assert_eq!(found("own", "own"), []);
    for (left, right) in [
        ("anyelement", "anyelement"),
        ("own", "anynonarray"),
        ("anynonarray", "own"),
    ] {
        assert!(
            found(left, right).contains(&Code::SHADOWED),
            "{left} {right}"
        );
    }
}

/// The common type of `bigint` and `double precision` is the latter, which rounds a large tenant to
/// its neighbour; that of `varchar` and `name` cuts it.
#[test]
fn what_becomes_of_the_tenant_in_a_set_operation() {
    let insert = |other: &str| {
        format!(
            "INSERT INTO t (tenant_id, id) SELECT tenant_id, id FROM t WHERE tenant_id = $tenant EXCEPT SELECT {other}, id FROM g"
        )
    };
    for (kind, column, other, wider) in [
        (TenantKind::Bigint, "bigint", "int", "double precision"),
        (TenantKind::Bigint, "bigint", "bigint", "numeric"),
        (TenantKind::Text, "varchar", "text", "name"),
    ] {
        let found = |other: &str| {
            let schema = format!(
                "CREATE TABLE t (tenant_id {column} NOT NULL, id int);
                 CREATE TABLE g (x {other}, id int);
                 COMMENT ON TABLE g IS '@global shared';"
            );
            codes_over(&of_kind(kind), &schema, &insert("x"))
        };
        assert_eq!(found(other), [], "{other}");
        assert_eq!(found(wider), [Code::FOREIGN_WRITE], "{wider}");
    }
}

/// A view may convert its tenant column; a condition on what came of it filters no scan below it.
#[test]
fn a_join_by_a_converted_column_filters_no_scan() {
    let schema = |column: &str| {
        format!(
            "CREATE TABLE t (tenant_id {column} NOT NULL, id int, a int);
             CREATE TABLE u (tenant_id bigint NOT NULL, id int);
             CREATE VIEW w WITH (security_invoker) AS SELECT tenant_id::bigint AS tenant_id, id, a FROM t;"
        )
    };
    for sql in [
        "SELECT w.id FROM w JOIN u USING (tenant_id) WHERE u.tenant_id = $tenant ORDER BY 10 / w.a",
        "SELECT w.id FROM u JOIN w USING (tenant_id) WHERE u.tenant_id = $tenant ORDER BY 10 / w.a",
    ] {
        let found = |column: &str| codes_over(&of_kind(TenantKind::Bigint), &schema(column), sql);
        assert_eq!(found("bigint"), [], "{sql}");
        assert_eq!(found("int"), [Code::LEAKY_ERROR], "{sql}");
    }
}

#[test]
fn a_system_query_names_its_views_and_what_they_read() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE t (tenant_id uuid NOT NULL, id int);
         CREATE VIEW v AS SELECT id FROM t;",
    );
    let ask = prepare("SELECT id FROM v", TenantBinding::LastParameter, c.config()).unwrap();
    let system = |tables: &[&str]| {
        let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
        prove_system(&c, &ask, &tables)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|problem| problem.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(system(&["t", "v"]), []);
    assert_eq!(system(&["t"]), [Code::SYSTEM_TABLE]);
    assert_eq!(system(&["v"]), [Code::SYSTEM_TABLE]);
}

/// `query_to_xml` reads whatever its text says: no entry of the configuration makes it safe.
#[test]
fn the_configuration_allows_no_refused_function() {
    let schema = "CREATE TABLE t (tenant_id uuid NOT NULL, id int, q text);";
    let found = |allowed: &str, call: &str| {
        let config = format!("[[functions]]\nname = \"{allowed}\"\nreason = \"it is needed\"\n");
        let config = Config::parse(&config).unwrap();
        codes_over(
            &config,
            schema,
            &format!("SELECT {call} FROM t WHERE tenant_id = $tenant"),
        )
    };
    let refused = "query_to_xml(q, true, false, '')";
    assert_eq!(found("query_to_xml", refused), [Code::REFUSED_FUNCTION]);
    let qualified = "pg_catalog.query_to_xml(q, true, false, '')";
    for allowed in ["query_to_xml", "pg_catalog.query_to_xml"] {
        assert_eq!(
            found(allowed, qualified),
            [Code::REFUSED_FUNCTION],
            "{allowed}"
        );
    }
    // One of another schema by that name is what the configuration says it is.
    assert_eq!(found("ours.query_to_xml", "ours.query_to_xml(q)"), []);
    assert_eq!(
        found("ours.other", "ours.query_to_xml(q)"),
        [Code::UNKNOWN_FUNCTION]
    );
    assert_eq!(found("ours", "ours(q)"), []);
    assert_eq!(
        found("ours", "lower(q), theirs(q)"),
        [Code::UNKNOWN_FUNCTION]
    );
}

/// As a float a large tenant is its neighbour, and `bpchar` forgets the blanks at the end.
#[test]
fn what_equals_the_tenant_in_another_family_is_not_the_tenant() {
    for (kind, column, same, other) in [
        (TenantKind::Bigint, "bigint", "int", "double precision"),
        (TenantKind::Bigint, "bigint", "smallint", "numeric"),
        (TenantKind::Text, "text", "varchar", "char(8)"),
        (TenantKind::Text, "text", "text", "name"),
    ] {
        let found = |other: &str| {
            let schema = format!(
                "CREATE TABLE t (tenant_id {column} NOT NULL, id int);
                 CREATE TABLE g (x {other});
                 COMMENT ON TABLE g IS '@global shared';"
            );
            let sql = "SELECT t.id FROM t JOIN g ON t.tenant_id = g.x WHERE g.x = $tenant";
            codes_over(&of_kind(kind), &schema, sql)
        };
        assert_eq!(found(same), [], "{same}");
        assert_eq!(found(other), [Code::UNPINNED], "{other}");
    }
}

/// Beside a `DEFAULT` each value has to be the tenant as it is: one that is cut is another's.
#[test]
fn rows_beside_a_default() {
    let schema = "CREATE TABLE t (tenant_id text NOT NULL DEFAULT current_setting('app.tenant_id'), id int);";
    let found = |value: &str| {
        codes_over(
            &of_kind(TenantKind::Text),
            schema,
            &format!("INSERT INTO t (tenant_id, id) VALUES (DEFAULT, 1), ({value}, 2)"),
        )
    };
    for value in ["$tenant", "$tenant::text", "DEFAULT"] {
        assert_eq!(found(value), [], "{value}");
    }
    for value in [
        "$tenant::varchar(1)",
        "$tenant::text::varchar(1)",
        "$tenant::name",
        "$tenant::char(3)",
        "$other",
    ] {
        assert_ne!(found(value), [], "{value}");
    }
}

/// An operator of the migrations runs a function that is not read here; PostgreSQL's own is chosen
/// where its schema is said.
#[test]
fn operators_of_the_migrations_beside_the_tenant() {
    let schema = |operator: &str| {
        format!(
            "CREATE TABLE t (tenant_id uuid NOT NULL, id int, a int);
             CREATE FUNCTION tells(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR {operator} (LEFTARG = int, RIGHTARG = int, FUNCTION = tells);"
        )
    };
    let found = |operator: &str, condition: &str| {
        let sql = format!(
            "SELECT id FROM t WHERE tenant_id OPERATOR(pg_catalog.=) $tenant AND {condition}"
        );
        codes_over(&Config::default(), &schema(operator), &sql)
    };
    assert_eq!(found(">", "a > 1"), [Code::SHADOWED]);
    assert_eq!(found(">", "a OPERATOR(pg_catalog.>) 1"), []);
    assert_eq!(found("=", "a IN (1, 2)"), [Code::SHADOWED]);
    assert_eq!(found(">", "a IN (1, 2)"), []);
}

/// A domain brings the collation of its definition.
#[test]
fn a_domain_over_text_is_no_text() {
    let found = |column: &str| {
        let schema = format!(
            "CREATE COLLATION numbers (provider = icu, locale = 'und-u-kn', deterministic = false);
             CREATE DOMAIN code AS text COLLATE numbers;
             CREATE TABLE t (tenant_id uuid NOT NULL, id int);
             CREATE TABLE g (code {column});
             COMMENT ON TABLE g IS '@global codes';"
        );
        let sql =
            "SELECT t.id FROM t JOIN g ON g.code = t.tenant_id::text WHERE g.code = $tenant::text";
        codes_over(&Config::default(), &schema, sql)
    };
    assert_eq!(found("text"), []);
    assert_eq!(found("code"), [Code::UNPINNED]);
}

/// The sequence gives the tenant, whatever the statement gives.
#[test]
fn overriding_the_tenant_by_a_sequence() {
    let schema = "CREATE TABLE t (tenant_id bigint GENERATED BY DEFAULT AS IDENTITY, id int);";
    let found = |overriding: &str| {
        let sql = format!("INSERT INTO t (tenant_id, id) {overriding} VALUES ($tenant, 1)");
        codes_over(&of_kind(TenantKind::Bigint), schema, &sql)
    };
    assert_eq!(found(""), []);
    assert_eq!(found("OVERRIDING SYSTEM VALUE"), []);
    assert_eq!(found("OVERRIDING USER VALUE"), [Code::FOREIGN_WRITE]);
}

/// What a trigger does that is not understood may reach tables that the list does not name.
#[test]
fn a_system_query_that_sets_off_what_is_not_read() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE jobs (id int, a int);
         CREATE TABLE quiet (id int, a int);
         CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE OLD.id; RETURN OLD; END $$;
         CREATE TRIGGER spread AFTER DELETE OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION spread();",
    );
    let system = |sql: &str| {
        let ask = prepare(sql, TenantBinding::LastParameter, c.config()).unwrap();
        prove_system(&c, &ask, &["jobs".to_owned(), "quiet".to_owned()])
            .err()
            .map(|problems| problems[0].code)
    };
    for verb in ["DELETE FROM", "UPDATE"] {
        let sql = |table: &str| match verb {
            "UPDATE" => format!("UPDATE {table} SET a = 1 WHERE id = $id"),
            _ => format!("DELETE FROM {table} WHERE id = $id"),
        };
        assert_eq!(system(&sql("quiet")), None, "{verb}");
        assert_eq!(system(&sql("jobs")), Some(Code::SYSTEM_TABLE), "{verb}");
    }
}
