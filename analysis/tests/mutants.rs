//! What a mutated prover let pass unnoticed: each assertion stands for a mutant of `MUTANTS.md` that no
//! other test killed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{catalog, catalog_of, judge};
use watertight_analysis::catalog::{Class, Command};
use watertight_analysis::{Catalog, Code, Config};

/// The word for the class of `public.t`, which has this tenant column and this policy.
fn class(column: &str, before: &str, policy: &str) -> &'static str {
    let catalog = protected(&Config::default(), column, before, policy);
    let relation = catalog
        .relations()
        .find(|relation| relation.name == "t")
        .unwrap();
    match catalog.class(relation, Command::Select) {
        Class::Protected => "protected",
        Class::Scoped => "scoped",
        _ => "other",
    }
}

fn protected(config: &Config, column: &str, before: &str, policy: &str) -> Catalog {
    let text = format!(
        "{before}\nCREATE TABLE t (tenant_id {column} NOT NULL, id bigint);\n\
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;\n\
         CREATE POLICY p ON t USING ({policy});"
    );
    catalog_of(config, &text)
}

const UUID: &str = "current_setting('app.tenant_id')::uuid";

#[test]
fn operators_of_policies() {
    for operator in ["=", "OPERATOR(pg_catalog.=)"] {
        assert_eq!(
            class("uuid", "", &format!("tenant_id {operator} {UUID}")),
            "protected"
        );
    }
    for operator in [
        "<>",
        "OPERATOR(pg_catalog.<>)",
        "OPERATOR(public.=)",
        ">=",
        "OPERATOR(pg_catalog.>=)",
    ] {
        assert_ne!(
            class("uuid", "", &format!("tenant_id {operator} {UUID}")),
            "protected",
            "{operator}"
        );
    }
}

#[test]
fn an_equality_of_the_migrations_protects_nothing() {
    let before = "CREATE FUNCTION always(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR = (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = always);";
    let policy = format!("tenant_id = {UUID}");
    assert_eq!(class("uuid", "", &policy), "protected");
    assert_ne!(class("uuid", before, &policy), "protected");
}

#[test]
fn conditions_of_policies() {
    let same = format!("tenant_id = {UUID}");
    for (policy, expected) in [
        (format!("{same} AND id > 0"), true),
        (format!("{same} OR false"), true),
        (format!("{same} OR NULL"), true),
        (format!("{same} OR true"), false),
        (format!("{same} OR id > 0"), false),
        (format!("tenant_id IN ({UUID})"), true),
        (
            format!("tenant_id IN ({UUID}, '00000000-0000-0000-0000-000000000000')"),
            false,
        ),
        (format!("tenant_id NOT IN ({UUID})"), false),
        (format!("(tenant_id, id) = ({UUID}, 1)"), true),
        // A uuid has one text.
        (
            "tenant_id::text = current_setting('app.tenant_id')".to_owned(),
            true,
        ),
        (
            "tenant_id::varchar(8) = current_setting('app.tenant_id')".to_owned(),
            false,
        ),
        (
            "tenant_id::text = left(current_setting('app.tenant_id'), 8)".to_owned(),
            false,
        ),
        (
            "tenant_id = current_setting('app.other')::uuid".to_owned(),
            false,
        ),
        (
            "tenant_id = lower(current_setting('app.tenant_id'))::uuid".to_owned(),
            false,
        ),
    ] {
        // A constant arm may be beyond the judgement; a leak must never pass.
        let found = class("uuid", "", &policy) == "protected";
        assert!(expected || !found, "{policy}");
        if policy.contains(" AND ") || policy.starts_with("tenant_id IN") {
            assert_eq!(found, expected, "{policy}");
        }
    }
}

#[test]
fn types_of_the_tenant_column() {
    let text = "current_setting('app.tenant_id')";
    assert_eq!(
        class("bigint", "", &format!("tenant_id = {text}::bigint")),
        "protected"
    );
    assert_eq!(
        class("text", "", &format!("tenant_id = {text}")),
        "protected"
    );
    assert_eq!(
        class("varchar(36)", "", &format!("tenant_id = {text}")),
        "protected"
    );
    assert_ne!(
        class("bigint[]", "", &format!("tenant_id = {text}::bigint[]")),
        "protected"
    );
    assert_ne!(
        class("char(36)", "", &format!("tenant_id = {text}")),
        "protected"
    );
    assert_ne!(
        class(
            "text COLLATE ci",
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);",
            &format!("tenant_id = {text}")
        ),
        "protected"
    );
}

#[test]
fn an_implicit_cast_of_the_migrations_refuses() {
    let schema = "CREATE TABLE t (tenant_id uuid NOT NULL, id bigint);
        CREATE FUNCTION f(text) RETURNS uuid LANGUAGE sql AS 'SELECT null::uuid';";
    let with = |cast: &str| catalog_of(&Config::default(), &format!("{schema}\n{cast}"));
    let sql = "SELECT id FROM t WHERE tenant_id = $tenant";
    assert!(judge(&with(""), sql).is_ok());
    let refused = judge(
        &with("CREATE CAST (text AS uuid) WITH FUNCTION f(text) AS IMPLICIT;"),
        sql,
    );
    assert!(
        refused
            .unwrap_err()
            .iter()
            .any(|problem| problem.code == Code::SHADOWED)
    );
}

#[test]
fn samples_are_of_known_methods() {
    let c = catalog();
    let sample = |method: &str| {
        judge(
            &c,
            &format!("SELECT id FROM orders TABLESAMPLE {method} (10) WHERE tenant_id = $tenant"),
        )
    };
    assert!(sample("other").is_err());
    assert!(sample("public.bernoulli").is_err());
}

#[test]
fn a_name_of_two_items_is_ambiguous_at_its_own_level_alone() {
    let c = catalog();
    let codes = |sql: &str| -> Vec<Code> {
        judge(&c, sql)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|problem| problem.code)
            .collect()
    };
    assert_eq!(
        codes(
            "SELECT status FROM orders o JOIN tickets t ON t.tenant_id = o.tenant_id WHERE o.tenant_id = $tenant"
        ),
        [Code::AMBIGUOUS_COLUMN]
    );
    assert_eq!(
        codes(
            "SELECT (SELECT count(*) FROM tickets WHERE tenant_id = $tenant AND status = 'open') FROM orders o WHERE o.tenant_id = $tenant"
        ),
        []
    );
    // What is not listed could hide the column: then nothing is said of it.
    assert!(!codes("SELECT total FROM orders o, generate_series(1, 2) AS f(total) WHERE o.tenant_id = $tenant").is_empty());
}

#[test]
fn a_merge_is_pinned_in_its_condition() {
    let c = catalog();
    let merge = |on: &str, branch: &str| {
        judge(
            &c,
            &format!("MERGE INTO settings s USING (VALUES ('a')) v (key) ON {on} {branch}"),
        )
    };
    let update = "WHEN MATCHED THEN UPDATE SET updated_at = now()";
    assert!(merge("s.tenant_id = $tenant AND s.key = v.key", update).is_ok());
    assert!(merge("s.key = v.key", update).is_err());
    assert!(merge("s.tenant_id = $tenant OR s.key = v.key", update).is_err());
    assert!(
        merge(
            "s.tenant_id = $tenant AND s.key = v.key",
            "WHEN NOT MATCHED THEN INSERT (tenant_id, key) VALUES ($tenant, v.key)"
        )
        .is_ok()
    );
    assert!(
        merge(
            "s.tenant_id = $tenant AND s.key = v.key",
            "WHEN NOT MATCHED THEN INSERT (tenant_id, key) VALUES ($other, v.key)"
        )
        .is_err()
    );
    assert!(
        merge(
            "s.tenant_id = $tenant AND s.key = v.key",
            "WHEN NOT MATCHED THEN INSERT (key) VALUES (v.key)"
        )
        .is_err()
    );
    assert!(
        merge(
            "s.tenant_id = $tenant AND s.key = v.key",
            "WHEN NOT MATCHED BY SOURCE THEN DELETE"
        )
        .is_err()
    );
}

#[test]
fn actions_of_foreign_keys_are_followed() {
    let schema = |last: &str| {
        catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE p (tenant_id uuid NOT NULL, id bigint NOT NULL, PRIMARY KEY (tenant_id, id));
                CREATE TABLE c (tenant_id uuid NOT NULL, p bigint, id bigint NOT NULL, PRIMARY KEY (tenant_id, id), UNIQUE (id),
                    FOREIGN KEY (tenant_id, p) REFERENCES p (tenant_id, id) ON DELETE CASCADE);
                CREATE TABLE g (tenant_id uuid NOT NULL, c bigint, {last});"
            ),
        )
    };
    let delete = "DELETE FROM p WHERE tenant_id = $tenant";
    let carries = "FOREIGN KEY (tenant_id, c) REFERENCES c (tenant_id, id) ON DELETE CASCADE";
    let loses = "FOREIGN KEY (c) REFERENCES c (id) ON DELETE CASCADE";
    assert!(judge(&schema(carries), delete).is_ok());
    // Two steps away: the rows of `c` go by cascade, and those of `g` with them.
    let refused = judge(&schema(loses), delete).unwrap_err();
    assert!(
        refused
            .iter()
            .any(|problem| problem.code == Code::REFERENTIAL_ACTION)
    );
}

#[test]
fn a_cast_runs_the_checks_of_a_domain() {
    let schema = |check: &str| {
        catalog_of(
            &Config::default(),
            &format!(
                "CREATE FUNCTION f(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; RETURN true; END';
                CREATE DOMAIN d AS text {check};"
            ),
        )
    };
    assert!(judge(&schema("CHECK (VALUE <> '')"), "SELECT 'x'::d").is_ok());
    for sql in [
        "SELECT 'x'::d",
        "SELECT CAST('x' AS d)",
        "SELECT ARRAY['x']::d[]",
        "SELECT d 'x'",
    ] {
        assert!(judge(&schema("CHECK (f(VALUE))"), sql).is_err(), "{sql}");
    }
}
