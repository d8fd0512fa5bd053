//! Each rule about what a statement says, with what passes and what fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{catalog, catalog_of, codes, judge, proved, refused};
use watertight_analysis::prove::{Grade, prove_system, prove_unproved};
use watertight_analysis::{Code, Config, TenantBinding, prepare};

#[test]
fn equality_follows_joins_but_not_every_condition() {
    let c = catalog();
    proved(
        &c,
        "SELECT 1 FROM orders WHERE (tenant_id, id) = ($tenant, $id)",
    );
    proved(&c, "SELECT 1 FROM orders WHERE tenant_id IN ($tenant)");
    proved(
        &c,
        "SELECT 1 FROM orders WHERE (tenant_id = $tenant) IS TRUE",
    );
    proved(
        &c,
        "SELECT 1 FROM orders WHERE tenant_id OPERATOR(pg_catalog.=) $tenant",
    );
    proved(
        &c,
        "SELECT 1 FROM orders o JOIN users u ON u.tenant_id = o.tenant_id JOIN teams t ON t.tenant_id = u.tenant_id WHERE t.tenant_id = $tenant",
    );
    for condition in [
        "tenant_id = $tenant OR false",
        "(tenant_id = $tenant) IS NOT FALSE",
        "tenant_id IN ($tenant, $other)",
        "tenant_id BETWEEN $tenant AND $tenant",
        "coalesce(tenant_id, $tenant) = $tenant",
        "tenant_id = nullif($tenant, id)",
        "tenant_id = $tenant::varchar(8)::uuid",
        "CASE WHEN true THEN tenant_id = $tenant END",
        "tenant_id::text LIKE $tenant::text",
    ] {
        let sql = format!("SELECT 1 FROM orders WHERE {condition}");
        assert!(!codes(&c, &sql).is_empty(), "{sql}");
    }
}

#[test]
fn outer_joins_keep_what_they_preserve() {
    let c = catalog();
    let on = |kind: &str, on: &str, filter: &str| {
        format!("SELECT 1 FROM orders o {kind} JOIN users u ON {on} WHERE {filter}")
    };
    proved(
        &c,
        &on("LEFT", "u.tenant_id = o.tenant_id", "o.tenant_id = $tenant"),
    );
    proved(
        &c,
        &on(
            "RIGHT",
            "u.tenant_id = o.tenant_id",
            "u.tenant_id = $tenant",
        ),
    );
    proved(
        &c,
        &on("FULL", "u.tenant_id = o.tenant_id", "u.tenant_id = $tenant"),
    );
    proved(
        &c,
        &on(
            "LEFT",
            "true",
            "o.tenant_id = $tenant AND u.tenant_id = o.tenant_id",
        ),
    );
    refused(
        &c,
        &on(
            "LEFT",
            "u.tenant_id = $tenant AND o.tenant_id = $tenant",
            "true",
        ),
        Code::OUTER_JOIN,
    );
    refused(
        &c,
        &on(
            "FULL",
            "u.tenant_id = $tenant AND o.tenant_id = $tenant",
            "true",
        ),
        Code::OUTER_JOIN,
    );
    refused(
        &c,
        &on(
            "RIGHT",
            "u.tenant_id = o.tenant_id",
            "o.id IS NULL AND o.tenant_id IS NULL",
        ),
        Code::UNPINNED,
    );
    // A value of a nullable side is not the tenant in every row.
    refused(
        &c,
        "INSERT INTO leads (tenant_id, email) SELECT s.t, x.name FROM teams x LEFT JOIN (SELECT $tenant::uuid AS t, 'a' AS k) s ON s.k = x.name WHERE x.tenant_id = $tenant",
        Code::FOREIGN_WRITE,
    );
}

#[test]
fn sub_queries_hold_the_tenant_only_where_every_row_does() {
    let c = catalog();
    let anchored =
        |query: &str| format!("SELECT 1 FROM ({query}) s JOIN orders o ON o.tenant_id = s.t");
    proved(
        &c,
        &anchored("SELECT tenant_id AS t FROM users WHERE tenant_id = $tenant GROUP BY tenant_id"),
    );
    proved(
        &c,
        &anchored(
            "SELECT tenant_id AS t FROM users WHERE tenant_id = $tenant UNION ALL SELECT $tenant",
        ),
    );
    proved(
        &c,
        &anchored("SELECT tenant_id AS t FROM customers LIMIT 3"),
    );
    refused(
        &c,
        &anchored(
            "SELECT tenant_id AS t FROM users WHERE tenant_id = $tenant UNION SELECT $org::uuid",
        ),
        Code::UNPINNED,
    );
    refused(
        &c,
        &anchored("SELECT id AS t FROM users WHERE tenant_id = $tenant"),
        Code::UNPINNED,
    );
    refused(
        &c,
        "SELECT 1 FROM tickets t, LATERAL (SELECT t.tenant_id AS x, count(*) FROM users u WHERE u.tenant_id = $tenant AND t.tenant_id = $tenant) s WHERE s.x = t.tenant_id",
        Code::WRONG_PLACE,
    );
    refused(
        &c,
        "INSERT INTO leads (tenant_id, email) SELECT tenant_id, count(*)::text FROM teams WHERE tenant_id = $tenant GROUP BY ROLLUP (tenant_id)",
        Code::FOREIGN_WRITE,
    );
}

#[test]
fn errors_that_tell_are_refused_wherever_the_planner_may_move_them() {
    let c = catalog();
    let raise = "1 / (total - 100)";
    for sql in [
        format!("SELECT 1 FROM orders WHERE tenant_id = $tenant AND {raise} < 5"),
        format!("SELECT x FROM (SELECT {raise} AS x FROM orders WHERE tenant_id = $tenant) s WHERE x < 5"),
        format!("WITH s AS (SELECT {raise} AS x FROM orders WHERE tenant_id = $tenant) SELECT x FROM s WHERE x < 5"),
        format!("SELECT status FROM orders WHERE tenant_id = $tenant GROUP BY status, total HAVING {raise} < 5"),
        format!("SELECT 1 FROM orders o JOIN countries c ON {raise} < 5 WHERE o.tenant_id = $tenant"),
        format!("SELECT 1 FROM orders WHERE tenant_id = $tenant AND (SELECT {raise}) < 5"),
        format!("UPDATE orders SET status = 'x' WHERE tenant_id = $tenant AND {raise} < 5"),
        "SELECT 1 FROM order_items WHERE tenant_id = $tenant AND qty + $n > 0".to_owned(),
        "SELECT 1 FROM tickets WHERE tenant_id = $tenant AND subject ~ $q".to_owned(),
        "SELECT 1 FROM tickets WHERE tenant_id = $tenant AND subject LIKE $q".to_owned(),
        "SELECT 1 FROM orders o WHERE o.tenant_id = $tenant AND o.total > (SELECT i.qty FROM order_items i WHERE i.tenant_id = o.tenant_id)".to_owned(),
    ] {
        refused(&c, &sql, Code::LEAKY_ERROR);
    }
    for sql in [
        format!("SELECT {raise} FROM orders WHERE tenant_id = $tenant ORDER BY {raise}"),
        format!("WITH s AS MATERIALIZED (SELECT {raise} AS x FROM orders WHERE tenant_id = $tenant) SELECT x FROM s WHERE x < 5"),
        format!("SELECT status FROM orders WHERE tenant_id = $tenant GROUP BY status HAVING sum({raise}) < 5"),
        "SELECT 1 FROM customers WHERE 1 / (balance - 100) < 5".to_owned(),
        "SELECT 1 FROM products WHERE 1 / price < 5".to_owned(),
        "SELECT 1 FROM tickets WHERE tenant_id = $tenant AND subject ~ '^a+$'".to_owned(),
        "SELECT 1 FROM tickets WHERE tenant_id = $tenant AND subject ILIKE '%' || $q || '%'".to_owned(),
        "SELECT 1 FROM tickets WHERE tenant_id = $tenant AND created_at::date = $day AND lower(subject) = lower($q)".to_owned(),
    ] {
        proved(&c, &sql);
    }
}

/// An aggregate without groups gives a row even where its conditions let none through, so what
/// stands beside it can't rest on them; nor can what PostgreSQL evaluates before them.
#[test]
fn conditions_of_the_query_around_are_trusted_only_where_they_have_been_applied() {
    let c = catalog();
    let beside = |select: &str, tail: &str| {
        format!(
            "SELECT l.* FROM (VALUES ($org::uuid)) o (t), LATERAL (SELECT {select} FROM customers c WHERE o.t = $tenant {tail}) l"
        )
    };
    let count = "(SELECT count(*) FROM users u WHERE u.tenant_id = o.t)";
    proved(&c, &beside(count, ""));
    proved(
        &c,
        &beside(&format!("c.status, {count}"), "GROUP BY c.status"),
    );
    for (select, tail) in [
        (format!("count(*), {count}"), String::new()),
        (
            format!("c.status, {count}"),
            "GROUP BY ROLLUP (c.status)".to_owned(),
        ),
        (count.to_owned(), "HAVING true".to_owned()),
        (count.to_owned(), "ORDER BY count(*)".to_owned()),
        ("1".to_owned(), format!("HAVING {count} > 3")),
        ("1".to_owned(), format!("LIMIT {count}")),
    ] {
        refused(&c, &beside(&select, &tail), Code::UNPINNED);
    }
    let raise = "(SELECT sum(1 / (x.total - 100)) FROM orders x WHERE x.tenant_id = o.t)";
    proved(
        &c,
        &format!("SELECT {raise} FROM (VALUES ($org::uuid)) o (t) WHERE o.t = $tenant"),
    );
    for sql in [
        format!("SELECT 1 FROM (VALUES ($org::uuid)) o (t) WHERE o.t = $tenant AND {raise} > 0"),
        format!("SELECT 1 FROM (VALUES ($org::uuid)) o (t) LEFT JOIN LATERAL {raise} l ON o.t = $tenant"),
        "SELECT 1 FROM (VALUES ($org::uuid)) o (t) WHERE o.t = $tenant AND (SELECT x.total FROM orders x WHERE x.tenant_id = o.t) > 0".to_owned(),
    ] {
        refused(&c, &sql, Code::LEAKY_ERROR);
    }
    proved(
        &c,
        "SELECT o.id, l.s FROM orders o CROSS JOIN LATERAL (SELECT sum(i.qty) AS s FROM order_items i WHERE i.tenant_id = o.tenant_id AND i.order_id = o.id) l WHERE o.tenant_id = $tenant",
    );
}

#[test]
fn grades_and_columns() {
    let c = catalog();
    let grade = |sql: &str| judge(&c, sql).unwrap().grade;
    assert_eq!(grade("SELECT name FROM customers"), Grade::Rls);
    assert_eq!(grade("SELECT code FROM countries"), Grade::Rls);
    assert_eq!(
        grade("SELECT 1 FROM customers c JOIN orders o ON o.tenant_id = c.tenant_id"),
        Grade::Predicate
    );
    assert_eq!(
        grade("INSERT INTO tasks (tenant_id, title) VALUES ($tenant, 'a')"),
        Grade::Predicate
    );
    let marked = |sql: &str| -> Vec<(String, bool)> {
        let columns = judge(&c, sql).unwrap().columns.unwrap();
        columns
            .into_iter()
            .map(|c| (c.name.unwrap_or_default(), c.from_tenant))
            .collect()
    };
    let is = |name: &str, from: bool| (name.to_owned(), from);
    assert_eq!(
        marked(
            "SELECT name, tenant_id AS t, tenant_id::text, count(*) OVER (), to_jsonb(c) FROM customers c"
        ),
        [
            is("name", false),
            is("t", true),
            is("tenant_id", true),
            is("count", false),
            is("to_jsonb", true)
        ]
    );
    assert_eq!(
        marked("SELECT x.a FROM (SELECT min(tenant_id::text) AS a FROM customers) x"),
        [is("a", true)]
    );
    assert_eq!(
        marked("SELECT $tenant::text AS t, current_setting('app.tenant_id')"),
        [is("t", true), is("current_setting", true)]
    );
    assert!(marked("SELECT * FROM customers").contains(&is("tenant_id", true)));
    assert!(marked("SELECT * FROM v_customers_inv").contains(&is("tenant_id", true)));
    let strict = Config::parse("require-rls = true").unwrap();
    let c = catalog_of(&strict, "CREATE TABLE t (id int, tenant_id uuid NOT NULL);");
    refused(
        &c,
        "SELECT id FROM t WHERE tenant_id = $tenant",
        Code::GRADE,
    );
}

#[test]
fn other_questions() {
    let c = catalog();
    let ask = |sql: &str| prepare(sql, TenantBinding::LastParameter, c.config()).unwrap();
    assert!(
        prove_unproved(
            &c,
            &ask("SELECT name FROM customers WHERE 1 / balance > $x OR name ~ $q")
        )
        .is_ok()
    );
    let problem = |sql: &str| prove_unproved(&c, &ask(sql)).unwrap_err()[0].code;
    assert_eq!(
        problem("SELECT 1 FROM orders WHERE tenant_id = $tenant"),
        Code::UNPROVED_TABLE
    );
    assert_eq!(
        problem("SELECT 1 FROM customers; SELECT 2"),
        Code::NOT_ONE_STATEMENT
    );
    assert_eq!(
        problem("SELECT set_config('a.b', 'c', true) FROM customers"),
        Code::REFUSED_FUNCTION
    );
    let tables = ["api_keys".to_owned(), "users".to_owned()];
    let system = |sql: &str| prove_system(&c, &ask(sql), &tables);
    assert!(system("SELECT u.email FROM api_keys k JOIN users u ON u.tenant_id = k.tenant_id WHERE k.key_hash = $hash").is_ok());
    assert!(
        system("UPDATE api_keys SET revoked = true WHERE key_hash = $hash RETURNING tenant_id")
            .is_ok()
    );
    assert!(
        system("INSERT INTO users (tenant_id, email, full_name) VALUES ($t, $e, $n) RETURNING id")
            .is_ok()
    );
    assert_eq!(
        system("SELECT 1 FROM customers").unwrap_err()[0].code,
        Code::SYSTEM_TABLE
    );
    assert_eq!(
        system("SELECT 1 FROM v_customers_inv").unwrap_err()[0].code,
        Code::SYSTEM_TABLE
    );
    assert_eq!(
        system("SELECT pg_sleep(1) FROM users").unwrap_err()[0].code,
        Code::REFUSED_FUNCTION
    );
    assert_eq!(
        system("SELECT 1 FROM users WHERE tenant_id = $tenant").unwrap_err()[0].code,
        Code::UNKNOWN_PARAMETER
    );
}

#[test]
fn system_queries_name_what_they_set_off() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE orgs (id uuid PRIMARY KEY, name text);
         CREATE TABLE members (tenant_id uuid REFERENCES orgs ON DELETE CASCADE, id int, PRIMARY KEY (tenant_id, id));
         CREATE TABLE notes (tenant_id uuid, member int, body text,
             FOREIGN KEY (tenant_id, member) REFERENCES members ON DELETE SET NULL (member));
         CREATE TABLE bills (org uuid REFERENCES orgs, total int);
         CREATE SCHEMA audit;
         CREATE TABLE audit.orgs (id uuid, what text);
         CREATE TABLE jobs (id int);
         CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE NEW.id; RETURN NEW; END $$;
         CREATE TRIGGER spread AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION spread();",
    );
    let ask = |sql: &str| prepare(sql, TenantBinding::LastParameter, c.config()).unwrap();
    let system = |sql: &str, tables: &[&str]| {
        let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
        prove_system(&c, &ask(sql), &tables)
            .map(|_| ())
            .map_err(|problems| problems.into_iter().map(|p| p.message).collect::<Vec<_>>())
    };
    let remove = "DELETE FROM orgs WHERE id = $id";
    let problems = system(remove, &["orgs"]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("`members`"), "{problems:?}");
    assert!(problems[1].contains("`notes`"), "{problems:?}");
    assert_eq!(system(remove, &["orgs", "members", "notes"]), Ok(()));
    assert_eq!(
        system("DELETE FROM bills WHERE org = $id", &["bills"]),
        Ok(())
    );
    // A name without a schema means what the search path finds.
    assert!(system("SELECT what FROM audit.orgs", &["orgs"]).is_err());
    assert_eq!(
        system("SELECT what FROM audit.orgs", &["audit.orgs"]),
        Ok(())
    );
    // What a trigger does that is not understood is not known to stay within the list.
    let problems = system("INSERT INTO jobs VALUES ($id)", &["jobs"]).unwrap_err();
    assert!(problems[0].contains("spread"), "{problems:?}");
    assert_eq!(system("DELETE FROM jobs WHERE id = $id", &["jobs"]), Ok(()));
}

#[test]
fn writes_return_rows_only_where_they_say_so() {
    let c = catalog();
    let flags = |sql: &str| {
        let proof = judge(&c, sql).unwrap();
        (proof.writes, proof.returns_rows, proof.parameters)
    };
    assert_eq!(flags("SELECT 1 FROM customers"), (false, true, 0));
    assert_eq!(flags("SELECT 1 FROM customers FOR UPDATE"), (true, true, 0));
    assert_eq!(
        flags("DELETE FROM tasks WHERE tenant_id = $tenant AND id = $id"),
        (true, false, 2)
    );
    assert_eq!(
        flags("UPDATE customers SET name = $n RETURNING id"),
        (true, true, 1)
    );
    assert_eq!(
        flags(
            "WITH d AS (DELETE FROM tasks WHERE tenant_id = $tenant RETURNING id) SELECT count(*) FROM d"
        ),
        (true, true, 1)
    );
}

#[test]
fn a_system_column_hides_a_name_from_around() {
    let c = catalog_of(
        &Config::parse("[tenant]\ntype = \"bigint\"").unwrap(),
        "CREATE TABLE b (id int PRIMARY KEY, tenant_id bigint NOT NULL, secret text);
         CREATE TABLE g (id int PRIMARY KEY, tid bigint);
         COMMENT ON TABLE g IS '@global x';",
    );
    let of = |name: &str, inner: &str| {
        format!(
            "SELECT (SELECT max(b.secret) FROM b WHERE b.tenant_id = {inner})
             FROM (SELECT g.tid AS {name} FROM g WHERE g.tid = $tenant) x"
        )
    };
    proved(&c, &of("tid", "tid"));
    proved(&c, &of("tableoid", "x.tableoid"));
    refused(&c, &of("tableoid", "tableoid"), Code::METADATA);
}

#[test]
fn a_lateral_value_is_null_where_its_row_is_missing() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE a (id int PRIMARY KEY, tenant_id uuid NOT NULL);
         CREATE TABLE b (id int PRIMARY KEY, tenant_id uuid NOT NULL, title text);
         CREATE TABLE l (id int, tenant_id uuid, email text);",
    );
    let insert = |kind: &str, value: &str| {
        format!(
            "INSERT INTO l (id, tenant_id, email) SELECT 70, {value}, 'z' FROM a {kind} JOIN LATERAL
             (SELECT a.tenant_id AS t FROM b WHERE b.tenant_id = $tenant AND b.title = $q) s ON true
             WHERE a.tenant_id = $tenant"
        )
    };
    proved(&c, &insert("INNER", "s.t"));
    proved(&c, &insert("LEFT", "a.tenant_id"));
    refused(&c, &insert("LEFT", "s.t"), Code::FOREIGN_WRITE);
}

#[test]
fn a_float_matters_beside_a_number_without_bounds() {
    let of = |ty: &str, protection: &str| {
        let c = catalog_of(
            &Config::default(),
            &format!(
                "CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL, amount {ty});
                 {protection}"
            ),
        );
        judge(
            &c,
            "SELECT id FROM t WHERE tenant_id = $tenant AND amount > $n",
        )
        .unwrap()
        .uncast
    };
    assert_eq!(of("numeric", "").len(), 1);
    assert!(of("float8", "").is_empty());
    assert!(of("int", "").is_empty());
    let protection =
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON t USING (tenant_id = current_setting('app.tenant_id')::uuid);";
    assert!(of("numeric", protection).is_empty());
    let c = catalog_of(
        &Config::default(),
        "CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL, amount numeric);",
    );
    let insert = judge(
        &c,
        "INSERT INTO t (id, tenant_id, amount) VALUES ($id, $tenant, $amount)",
    );
    assert!(insert.unwrap().uncast.is_empty());
}

#[test]
fn a_text_matters_where_a_row_asks_for_its_cast() {
    let c = catalog_of(
        &Config::default(),
        "CREATE TYPE state AS ENUM ('open', 'done');
         CREATE TABLE t (id int PRIMARY KEY, tenant_id uuid NOT NULL, status state, at timestamptz, label text);
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
         CREATE POLICY p ON t USING (tenant_id = current_setting('app.tenant_id')::uuid);",
    );
    let untexted = |sql: &str| judge(&c, sql).unwrap().untexted;
    // The planner computes it to estimate how many rows there will be: it fails before any row, or never.
    for sql in [
        "SELECT id FROM t WHERE at > $at::timestamptz",
        "SELECT id FROM t WHERE label = $label AND at BETWEEN $a::timestamptz AND $b::timestamptz",
        "SELECT id FROM t WHERE ($state::state IS NULL OR status = $state::state)",
        "SELECT id FROM t WHERE id = ANY ($ids::int[]) OR label = $label::varchar",
        // For the rows that are returned or written.
        "SELECT id, $at::timestamptz - at FROM t WHERE label = $label",
        "INSERT INTO t (id, tenant_id, at) VALUES ($id, $tenant, $at::timestamptz)",
        "INSERT INTO t (id, tenant_id, at) SELECT id + 100, $tenant, $at::timestamptz FROM t",
        "UPDATE t SET at = $at::timestamptz WHERE label = $label",
    ] {
        assert!(untexted(sql).is_empty(), "{sql}");
    }
    for (sql, expected) in [
        (
            "SELECT id FROM t WHERE label = $label AND CASE WHEN id > 1 THEN at > $at::timestamptz END",
            vec![2],
        ),
        (
            "SELECT id FROM t WHERE label = $label AND ($at::timestamptz IS NULL OR id = 1)",
            vec![2],
        ),
        (
            "SELECT id FROM t WHERE label = $label AND coalesce(status = $s::state, false)",
            vec![2],
        ),
        (
            "SELECT id FROM t WHERE label = $label AND id = 1 AND at = (SELECT $at::timestamptz)",
            vec![2],
        ),
        (
            "SELECT s.id FROM (SELECT id, label, $at::date AS day FROM t) s WHERE s.label = $label AND (s.day > '2024-01-01' OR s.id = 1)",
            vec![1],
        ),
    ] {
        assert_eq!(untexted(sql), expected, "{sql}");
    }
}

#[test]
fn what_to_write_instead() {
    let c = catalog();
    let told = |sql: &str| -> String {
        judge(&c, sql)
            .unwrap_err()
            .iter()
            .flat_map(|problem| {
                [problem.message.clone()]
                    .into_iter()
                    .chain(problem.help.clone())
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(told("TABLE orders").contains("SELECT * FROM orders WHERE orders.tenant_id = $tenant"));
    let cast = told("SELECT id FROM orders WHERE tenant_id = $tenant::varchar(3)::uuid");
    assert!(
        cast.contains("the cast may change it") && cast.contains("write: SELECT"),
        "{cast}"
    );
    assert!(told("SELECT x.id FROM unnest($ids) x (id)").contains("unnest($ids::uuid[])"));
}
