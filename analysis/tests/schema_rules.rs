//! Each rule about what the schema does to a statement, over schemas of a few lines: functions,
//! policies, triggers, partitions, parents and indexes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{catalog, catalog_of, codes, judge, proved, refused};
use watertight_analysis::prove::Grade;
use watertight_analysis::{Catalog, Code, Config};

#[test]
fn what_migrations_define_is_not_taken_for_a_built_in() {
    let table = "CREATE TABLE t (id int, tenant_id uuid NOT NULL, name text, code varchar(9));";
    let with = |more: &str| catalog_of(&Config::default(), &format!("{table} {more}"));
    let select = "SELECT lower(name) FROM t WHERE tenant_id = $tenant";
    proved(&with(""), select);
    let lower = "CREATE FUNCTION public.lower(v varchar) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(name, ',') FROM t $$;";
    assert!(!codes(&with(lower), select).is_empty());
    let equal = "CREATE FUNCTION same(a varchar, b varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$; CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = same);";
    assert!(!codes(&with(equal), select).is_empty());
    refused(
        &with(equal),
        "SELECT 1 FROM t WHERE tenant_id = $tenant AND code = $c",
        Code::SHADOWED,
    );
    let loose = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
    let c = catalog_of(
        &Config::parse("[tenant]\ntype = \"text\"").unwrap(),
        &format!(
            "{loose} CREATE TABLE t (id int, tenant_id text COLLATE loose); CREATE TABLE u (id int, tenant_id text);"
        ),
    );
    assert!(!codes(&c, "SELECT id FROM t WHERE tenant_id = $tenant").is_empty());
    proved(&c, "SELECT id FROM u WHERE tenant_id = $tenant");
    assert!(
        !codes(
            &c,
            "SELECT id FROM u WHERE tenant_id COLLATE loose = $tenant"
        )
        .is_empty()
    );
}

#[test]
fn functions_by_their_body() {
    let c = catalog();
    proved(
        &c,
        "SELECT fmt_money(total, currency) FROM orders WHERE tenant_id = $tenant",
    );
    proved(&c, "SELECT id, name FROM search_customers($q)");
    proved(&c, "SELECT id FROM my_orders()");
    refused(&c, "SELECT customer_count()", Code::UNPINNED);
    refused(&c, "SELECT order_total($o)", Code::FUNCTION_BODY);
    refused(&c, "SELECT run_report($q)", Code::FUNCTION_BODY);
    refused(&c, "SELECT no_such_function(1)", Code::UNKNOWN_FUNCTION);
}

#[test]
fn a_conflict_is_inferred_from_any_index_over_the_columns() {
    let upsert = "INSERT INTO u (id, tenant_id, val) VALUES (5, $tenant, 'x')
                  ON CONFLICT (tenant_id, id) DO UPDATE SET val = u.val || 'x'";
    let with = |index: &str| {
        catalog_of(
            &Config::parse("[tenant]\ntype = \"text\"").unwrap(),
            &format!(
                "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                 CREATE TABLE u (id int, tenant_id text NOT NULL, val text, mail text);
                 {index}"
            ),
        )
    };
    for index in [
        "CREATE UNIQUE INDEX ON u (tenant_id, id);",
        "ALTER TABLE u ADD PRIMARY KEY (tenant_id, id);",
        "CREATE UNIQUE INDEX ON u (tenant_id, id); CREATE UNIQUE INDEX ON u (tenant_id, lower(mail));",
    ] {
        proved(&with(index), upsert);
    }
    for index in [
        "CREATE UNIQUE INDEX ON u (tenant_id COLLATE ci, id);",
        "CREATE UNIQUE INDEX ON u (id, tenant_id text_pattern_ops);",
        "CREATE UNIQUE INDEX ON u (tenant_id, id); CREATE UNIQUE INDEX ON u (tenant_id COLLATE ci, id);",
    ] {
        assert!(!codes(&with(index), upsert).is_empty(), "{index}");
        proved(
            &with(index),
            &format!("{upsert} WHERE u.tenant_id = $tenant"),
        );
    }
}

#[test]
fn a_parent_shows_the_rows_of_its_children() {
    let of = |migration: &str| catalog_of(&Config::default(), migration);
    let tenant = "CREATE TABLE docs (id int, tenant_id uuid, org uuid, body text);";
    let read = "SELECT id FROM docs WHERE tenant_id = $tenant";
    proved(
        &of(&format!("{tenant} CREATE TABLE child () INHERITS (docs);")),
        read,
    );
    let org = format!("{tenant} COMMENT ON TABLE docs IS '@tenant org';");
    let by_org = "SELECT id FROM docs WHERE org = $tenant";
    proved(&of(&org), by_org);
    let child = format!("{org} CREATE TABLE child () INHERITS (docs);");
    refused(&of(&child), by_org, Code::UNPROTECTED);
    proved(
        &of(&format!("{child} COMMENT ON TABLE child IS '@tenant org';")),
        by_org,
    );
    let parts = "CREATE TABLE docs (id int, tenant_id uuid, org uuid) PARTITION BY HASH (id);
         CREATE TABLE part PARTITION OF docs FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         COMMENT ON TABLE docs IS '@tenant org';";
    proved(&of(parts), by_org);
    let global = "CREATE TABLE gp (id int, name text); COMMENT ON TABLE gp IS '@global prices';";
    proved(&of(global), "SELECT id FROM gp");
    let child = format!("{global} CREATE TABLE gc (tenant_id uuid NOT NULL) INHERITS (gp);");
    refused(&of(&child), "SELECT id FROM gp", Code::UNPROTECTED);
}

#[test]
fn what_a_restrictive_policy_calls_runs() {
    let of = |restrictive: &str| {
        catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE b (id int PRIMARY KEY, tenant_id uuid NOT NULL, secret text);
                 CREATE FUNCTION ok(i int) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS
                   $$ BEGIN RETURN NOT EXISTS (SELECT 1 FROM b WHERE secret LIKE 'B-%'); END $$;
                 CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL, note text);
                 ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
                 CREATE POLICY p ON t USING (tenant_id = current_setting('app.tenant_id')::uuid);
                 CREATE POLICY r ON t AS RESTRICTIVE USING ({restrictive});"
            ),
        )
    };
    let grade = |c: &Catalog| {
        judge(c, "SELECT id FROM t WHERE tenant_id = $tenant")
            .unwrap()
            .grade
    };
    assert_eq!(grade(&of("id > 0")), Grade::Rls);
    assert_eq!(grade(&of("ok(id)")), Grade::Predicate);
}

#[test]
fn the_key_of_a_partitioned_table_is_computed_on_write() {
    let of = |key: &str| {
        catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE b (id int PRIMARY KEY, tenant_id uuid NOT NULL, secret text);
                 CREATE FUNCTION leaks(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS
                   $$ BEGIN RETURN (SELECT max(secret) FROM b); END $$;
                 CREATE TABLE t (id int NOT NULL, tenant_id uuid NOT NULL, note text) PARTITION BY LIST ({key});
                 CREATE TABLE t1 PARTITION OF t DEFAULT;"
            ),
        )
    };
    let insert = "INSERT INTO t VALUES (1, $tenant, 'x')";
    proved(&of("note"), insert);
    proved(&of("(lower(note))"), insert);
    assert!(!codes(&of("(leaks(note))"), insert).is_empty());
}

#[test]
fn an_allowed_function_is_the_one_of_its_schema() {
    let config = Config::parse("[[functions]]\nname = \"ext.f\"\nreason = \"pure\"").unwrap();
    let of = |call: &str| {
        let c = catalog_of(
            &config,
            &format!(
                "CREATE SCHEMA ext;
                 CREATE FUNCTION ext.f(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;
                 {call}
                 CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL, note text);
                 ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
                 CREATE POLICY p ON t USING (tenant_id = current_setting('app.tenant_id')::uuid AND ext.f(note));"
            ),
        );
        codes(&c, "SELECT id FROM t")
    };
    assert_eq!(of(""), []);
    let other = "CREATE FUNCTION public.f(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN true; END $$;";
    assert_ne!(of(other), []);
}

#[test]
fn what_a_trigger_sets_is_set_by_the_statement() {
    let of = |body: &str, key: &str| {
        catalog_of(
            &Config::parse("[tenant]\ntype = \"bigint\"").unwrap(),
            &format!(
                "CREATE TABLE orders (id int PRIMARY KEY, tenant_id bigint NOT NULL, status text, at timestamptz);
                 CREATE TABLE items (id int PRIMARY KEY, tenant_id bigint NOT NULL, parent_id int REFERENCES orders (id) {key});
                 CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
                 CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION change();"
            ),
        )
    };
    let update = "UPDATE orders SET status = 'paid' WHERE tenant_id = $tenant";
    let cascade = "ON UPDATE CASCADE";
    proved(&of("NEW.at := now();", cascade), update);
    proved(&of("NEW.id := NEW.id + 1;", ""), update);
    refused(
        &of("NEW.id := NEW.id + 1;", cascade),
        update,
        Code::REFERENTIAL_ACTION,
    );
    refused(
        &of("NEW.id := NEW.id + 1;", "ON UPDATE SET NULL"),
        update,
        Code::REFERENTIAL_ACTION,
    );
}

#[test]
fn superuser_and_bypassrls_are_two_powers() {
    let of = |roles: &str| {
        let c = catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL);
                 ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
                 CREATE POLICY p ON t USING (tenant_id = current_setting('app.tenant_id')::uuid);
                 {roles}"
            ),
        );
        codes(&c, "SELECT id FROM t").is_empty()
    };
    assert!(of("ALTER ROLE app NOSUPERUSER NOBYPASSRLS;"));
    assert!(of("ALTER ROLE app BYPASSRLS; ALTER ROLE app NOBYPASSRLS;"));
    assert!(!of("ALTER ROLE app BYPASSRLS; ALTER ROLE app NOSUPERUSER;"));
    assert!(!of(
        "CREATE ROLE app SUPERUSER; ALTER ROLE app NOBYPASSRLS;"
    ));
}

#[test]
fn a_column_of_two_parents_goes_with_the_last() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE p1 (id int, tenant_id uuid, body text); CREATE TABLE p2 (id int, tenant_id uuid, body text);
         CREATE TABLE notes () INHERITS (p1, p2);
         ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
         CREATE POLICY a ON notes USING (true);
         CREATE POLICY r ON notes AS RESTRICTIVE USING (tenant_id = current_setting('app.tenant_id')::uuid);
         ALTER TABLE notes NO INHERIT p1; ALTER TABLE p2 DROP COLUMN tenant_id CASCADE;",
    );
    assert!(!codes(&c, "SELECT body FROM notes").is_empty());
}

/// The server refuses such statements with `infinite recursion detected in policy`.
#[test]
fn policies_that_read_each_other_are_not_followed_forever() {
    let secured = |table: &str, other: &str, kind: &str| {
        format!(
            "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
             CREATE POLICY p ON {table} USING (tenant_id = current_setting('app.tenant_id')::uuid);
             CREATE POLICY q ON {table} {kind} USING (EXISTS (SELECT 1 FROM {other} o WHERE o.id = {table}.id));"
        )
    };
    for kind in ["", "AS RESTRICTIVE"] {
        let c = catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE a (id int, tenant_id uuid NOT NULL); CREATE TABLE b (id int, tenant_id uuid NOT NULL);
                 CREATE TABLE c (id int, tenant_id uuid NOT NULL); {} {} {}",
                secured("a", "b", kind),
                secured("b", "a", kind),
                secured("c", "c", kind),
            ),
        );
        for table in ["a", "b", "c"] {
            assert!(!codes(&c, &format!("SELECT id FROM {table}")).is_empty());
        }
    }
}
