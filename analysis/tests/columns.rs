//! Which output columns carry the tenant: the boundary of a tool withholds them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{catalog_of, judge};
use watertight_analysis::Config;

const SCHEMA: &str = "
CREATE TABLE tenants (id uuid PRIMARY KEY, name text);
COMMENT ON TABLE tenants IS '@tenant id';
CREATE TABLE a (id int PRIMARY KEY, tenant_id uuid NOT NULL, ref uuid, name text, data jsonb, n int,
  slug text GENERATED ALWAYS AS (tenant_id::text || '/' || name) STORED,
  owner text DEFAULT current_setting('app.tenant_id'), UNIQUE (tenant_id, name));
CREATE TABLE r (id int PRIMARY KEY, tenant_id uuid NOT NULL, org uuid NOT NULL REFERENCES tenants (id));
CREATE TABLE p (id int PRIMARY KEY, tenant_id uuid NOT NULL, name text);
ALTER TABLE p ENABLE ROW LEVEL SECURITY;
ALTER TABLE p FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON p USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE VIEW pv WITH (security_invoker = true) AS SELECT id, tenant_id AS org, name FROM p;
CREATE FUNCTION own_tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT current_setting('app.tenant_id')::uuid $$;
";

/// Statements with their columns; a star after the name of a column means that it carries the tenant.
const CASES: &[(&str, &str)] = &[
    ("SELECT id, tenant_id FROM p", "id tenant_id*"),
    ("SELECT * FROM p", "id tenant_id* name"),
    ("SELECT p.* FROM p", "id tenant_id* name"),
    ("TABLE p", "id tenant_id* name"),
    (
        "SELECT tenant_id AS x, name AS tenant_id FROM p",
        "x* tenant_id",
    ),
    (
        "SELECT tenant_id::text, upper(tenant_id::text) AS u, name || tenant_id AS c FROM p",
        "tenant_id* u* c*",
    ),
    (
        "SELECT p AS whole, to_jsonb(p) AS j, row_to_json(p.*) AS r, jsonb_build_object('t', tenant_id) AS o FROM p",
        "whole* j* r* o*",
    ),
    (
        "SELECT array_agg(tenant_id) AS a, min(tenant_id::text) AS m, string_agg(name, ',') AS s, json_agg(p) AS j FROM p",
        "a* m* s j*",
    ),
    (
        "SELECT count(*) AS n, count(tenant_id) AS c, count(p) AS w FROM p",
        "n c w",
    ),
    (
        "SELECT count(*) FILTER (WHERE tenant_id::text < $p) AS n FROM p",
        "n*",
    ),
    (
        "SELECT count(CASE WHEN tenant_id::text < $p THEN 1 END) AS n FROM p",
        "n*",
    ),
    (
        "SELECT CASE WHEN id = 1 THEN tenant_id END AS c, coalesce(tenant_id, $x::uuid) AS d, nullif(tenant_id, $x) AS e FROM p",
        "c* d* e*",
    ),
    (
        "SELECT row_number() OVER (PARTITION BY tenant_id ORDER BY name) AS n, lag(tenant_id) OVER (ORDER BY id) AS l FROM p",
        "n l*",
    ),
    (
        "SELECT rank() OVER (ORDER BY k) AS n FROM (SELECT tenant_id::text AS k FROM p UNION ALL SELECT $p) s",
        "n*",
    ),
    ("SELECT org, name FROM pv", "org* name"),
    (
        "SELECT $tenant AS t, own_tenant() AS f, current_setting('app.tenant_id') AS s",
        "t* f* s*",
    ),
    (
        "SELECT (SELECT tenant_id FROM p LIMIT 1) AS s, ARRAY (SELECT tenant_id FROM p) AS a, EXISTS (SELECT 1 FROM p) AS e",
        "s* a* e",
    ),
    (
        "SELECT EXISTS (SELECT 1 WHERE p.tenant_id::text < $q) AS e FROM p",
        "e*",
    ),
    (
        "SELECT x.t FROM (SELECT tenant_id AS t FROM p GROUP BY tenant_id) x",
        "t*",
    ),
    (
        "WITH w AS (SELECT tenant_id AS t, name FROM p), v AS (SELECT * FROM w) SELECT * FROM v",
        "t* name",
    ),
    (
        "SELECT name FROM p UNION SELECT tenant_id::text FROM p",
        "name*",
    ),
    ("SELECT name FROM p EXCEPT SELECT name FROM p", "name"),
    ("SELECT u.t FROM p, unnest(ARRAY[tenant_id]) AS u (t)", "t*"),
    (
        "SELECT u.value FROM p, jsonb_each_text(to_jsonb(p)) u",
        "value*",
    ),
    ("VALUES ($tenant, 1)", "column1* column2"),
    (
        "SELECT tenant_id FROM p JOIN a USING (tenant_id)",
        "tenant_id*",
    ),
    ("SELECT (p).tenant_id, (p).name FROM p", "tenant_id* name"),
    (
        "SELECT slug, owner, n FROM a WHERE tenant_id = $tenant",
        "slug* owner* n",
    ),
    ("SELECT org, id FROM r WHERE tenant_id = $tenant", "org* id"),
    (
        "SELECT ref FROM a WHERE tenant_id = $tenant AND ref = tenant_id",
        "ref*",
    ),
    (
        "SELECT id, name FROM tenants WHERE id = $tenant",
        "id* name",
    ),
    (
        "WITH RECURSIVE q (x, y, n) AS (SELECT 'x'::text, 'y'::text, 1 UNION ALL SELECT q.y, p.tenant_id::text, q.n + 1 FROM q JOIN p ON q.n < 3) SELECT x, y, n FROM q",
        // Rounds pass values from column to column, so one marks all.
        "x* y* n*",
    ),
    (
        "DELETE FROM p WHERE id = $id RETURNING *",
        "id tenant_id* name",
    ),
    (
        "INSERT INTO p (id, tenant_id, name) VALUES (1, $tenant, 'x') RETURNING id, name, tenant_id",
        "id name tenant_id*",
    ),
    (
        "INSERT INTO p (id, tenant_id, name) VALUES (1, $tenant, $tenant::text) RETURNING name",
        "name*",
    ),
    (
        "INSERT INTO a (id, tenant_id, name) SELECT p.id, $tenant, $tenant::text FROM p RETURNING id, name",
        "id name*",
    ),
    (
        "UPDATE a SET name = tenant_id::text WHERE tenant_id = $tenant RETURNING name, n",
        "name* n",
    ),
    (
        "UPDATE a SET data['k'] = to_jsonb(a) WHERE tenant_id = $tenant RETURNING data",
        "data*",
    ),
    (
        "WITH w AS (UPDATE a SET data = to_jsonb(a) WHERE tenant_id = $tenant RETURNING data) SELECT data FROM w",
        "data*",
    ),
    (
        "INSERT INTO a (id, tenant_id, name, data) VALUES (1, $tenant, 'x', jsonb_build_object('t', $tenant::text)) ON CONFLICT (tenant_id, name) DO UPDATE SET data = excluded.data RETURNING data",
        "data*",
    ),
    (
        "INSERT INTO a (id, tenant_id, name) VALUES (1, $tenant, 'x') ON CONFLICT (tenant_id, name) DO UPDATE SET data = to_jsonb(excluded) RETURNING data, n",
        "data* n",
    ),
];

#[test]
fn every_way_of_carrying_the_tenant() {
    let catalog = catalog_of(&Config::default(), SCHEMA);
    let mut wrong = Vec::new();
    for (sql, expected) in CASES {
        let found = match judge(&catalog, sql) {
            Ok(proof) => proof
                .columns
                .unwrap_or_else(|| panic!("{sql}: no columns"))
                .into_iter()
                .map(|column| {
                    let star = if column.from_tenant { "*" } else { "" };
                    format!("{}{star}", column.name.unwrap_or_default())
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(problems) => format!(
                "{:?}",
                problems.iter().map(|p| &p.message).collect::<Vec<_>>()
            ),
        };
        if found != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
