//! Which output columns are marked as computed of the tenant, construct by construct.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{catalog_of, judge};
use watertight_analysis::Config;

const SCHEMA: &str = "
CREATE TABLE tenants (id uuid PRIMARY KEY, name text);
COMMENT ON TABLE tenants IS '@tenant id';
CREATE TABLE a (
    id bigint PRIMARY KEY, tenant_id uuid NOT NULL, ref uuid, name text, n int,
    org uuid REFERENCES tenants (id),
    slug text GENERATED ALWAYS AS (tenant_id::text || '/' || name) STORED,
    total int GENERATED ALWAYS AS (n * 2) STORED,
    owner text DEFAULT current_setting('app.tenant_id'),
    state text DEFAULT 'new');
CREATE TABLE b (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, a_id bigint, title text);
CREATE UNIQUE INDEX ON b (tenant_id, id);
CREATE VIEW v WITH (security_invoker) AS SELECT id, tenant_id AS who, name FROM a;
CREATE FUNCTION who() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.tenant_id') $$;
CREATE SCHEMA app;
CREATE FUNCTION app.whose() RETURNS text LANGUAGE sql STABLE AS $$ SELECT who() $$;
CREATE TABLE c (
    id bigint PRIMARY KEY, tenant_id uuid NOT NULL, slug text, changed timestamptz, copy text,
    made text DEFAULT app.whose());
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mine text;
BEGIN
    mine := NEW.tenant_id::text;
    NEW.slug := left(mine, 8);
    NEW.copy := upper(NEW.slug);
    NEW.changed := now();
    RETURN NEW;
END $$;
CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON c FOR EACH ROW EXECUTE FUNCTION fill();
";

/// Statements with the columns of their result; a star marks those of the tenant.
const CASES: &[(&str, &str)] = &[
    // A trigger fills two of them, and a default calls what calls what reads the setting.
    (
        "SELECT * FROM c WHERE tenant_id = $tenant",
        "id tenant_id* slug* changed copy* made*",
    ),
    (
        "SELECT id, tenant_id, name FROM a WHERE tenant_id = $tenant",
        "id tenant_id* name",
    ),
    (
        "SELECT * FROM b WHERE tenant_id = $tenant",
        "id tenant_id* a_id title",
    ),
    (
        "SELECT x.* FROM b AS x WHERE x.tenant_id = $tenant",
        "id tenant_id* a_id title",
    ),
    (
        "SELECT tenant_id AS q FROM a WHERE tenant_id = $tenant",
        "q*",
    ),
    (
        "SELECT tenant_id::text AS q, upper(tenant_id::text) AS u FROM a WHERE tenant_id = $tenant",
        "q* u*",
    ),
    (
        "SELECT left(tenant_id::text, 8) || name AS q FROM a WHERE tenant_id = $tenant",
        "q*",
    ),
    (
        "SELECT a AS row, to_jsonb(a) AS doc, row_to_json(a) AS old FROM a WHERE tenant_id = $tenant",
        "row* doc* old*",
    ),
    (
        "SELECT jsonb_build_object('t', tenant_id, 'n', name) AS doc FROM a WHERE tenant_id = $tenant",
        "doc*",
    ),
    (
        "SELECT jsonb_build_object('n', name) AS doc FROM a WHERE tenant_id = $tenant",
        "doc",
    ),
    (
        "SELECT array_agg(tenant_id) AS l, max(tenant_id::text) AS m, count(*) AS c, count(tenant_id) AS d FROM a WHERE tenant_id = $tenant",
        "l* m* c d",
    ),
    (
        "SELECT json_agg(x) AS l FROM (SELECT id, tenant_id FROM a WHERE tenant_id = $tenant) x",
        "l*",
    ),
    (
        "SELECT json_agg(x) AS l FROM (SELECT id, name FROM a WHERE tenant_id = $tenant) x",
        "l",
    ),
    (
        "SELECT ARRAY(SELECT tenant_id FROM b WHERE tenant_id = $tenant) AS l",
        "l*",
    ),
    (
        "SELECT (SELECT b.tenant_id FROM b WHERE b.tenant_id = a.tenant_id LIMIT 1) AS s, name FROM a WHERE tenant_id = $tenant",
        "s* name",
    ),
    (
        "SELECT EXISTS (SELECT 1 FROM b WHERE b.tenant_id = a.tenant_id) AS e FROM a WHERE tenant_id = $tenant",
        "e",
    ),
    (
        "WITH x AS (SELECT tenant_id AS q, name FROM a WHERE tenant_id = $tenant) SELECT q, name FROM x",
        "q* name",
    ),
    (
        "WITH x AS MATERIALIZED (SELECT tenant_id AS q, name FROM a WHERE tenant_id = $tenant) SELECT q || '' AS t, name FROM x",
        "t* name",
    ),
    (
        "SELECT id, name FROM a WHERE tenant_id = $tenant UNION ALL SELECT id, tenant_id::text FROM b WHERE tenant_id = $tenant",
        "id name*",
    ),
    (
        "SELECT id, who, name FROM v WHERE who = $tenant",
        "id who* name",
    ),
    (
        "SELECT $tenant AS me, current_setting('app.tenant_id') AS s, who() AS f",
        "me* s* f*",
    ),
    (
        "SELECT coalesce(tenant_id, ref) AS q, CASE WHEN n = 1 THEN tenant_id END AS c FROM a WHERE tenant_id = $tenant",
        "q* c*",
    ),
    (
        "SELECT lag(tenant_id) OVER (ORDER BY id) AS q, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS r FROM a WHERE tenant_id = $tenant",
        "q* r",
    ),
    (
        "SELECT rank() OVER w AS r FROM a WHERE tenant_id = $tenant WINDOW w AS (ORDER BY tenant_id)",
        "r",
    ),
    (
        "SELECT a.name, b.tenant_id, t FROM a JOIN b USING (tenant_id), LATERAL (SELECT a.tenant_id AS t) l WHERE a.tenant_id = $tenant",
        "name tenant_id* t*",
    ),
    (
        "SELECT u.q FROM a, unnest(ARRAY[a.tenant_id]) AS u(q) WHERE tenant_id = $tenant",
        "q*",
    ),
    // Generated columns and defaults.
    (
        "SELECT slug, total, owner, state FROM a WHERE tenant_id = $tenant",
        "slug* total owner* state",
    ),
    // The registry of tenants and what refers to it.
    (
        "SELECT id, name FROM tenants WHERE id = $tenant",
        "id* name",
    ),
    (
        "SELECT org, ref FROM a WHERE tenant_id = $tenant",
        "org* ref",
    ),
    // What the statement itself makes equal to the tenant.
    (
        "SELECT ref FROM a WHERE tenant_id = $tenant AND ref = tenant_id",
        "ref*",
    ),
    (
        "SELECT ref AS q FROM a WHERE tenant_id = $tenant AND ref = $tenant",
        "q*",
    ),
    // Writes.
    (
        "INSERT INTO b (id, tenant_id, title) VALUES (1, $tenant, 'x') RETURNING *",
        "id tenant_id* a_id title",
    ),
    (
        "INSERT INTO b (id, tenant_id, title) VALUES (1, $tenant, 'x') RETURNING id, title",
        "id title",
    ),
    (
        "INSERT INTO b (id, tenant_id, title) VALUES (1, $tenant, $tenant::text) RETURNING id, title",
        "id title*",
    ),
    (
        "INSERT INTO b (id, tenant_id, title) SELECT id, tenant_id, tenant_id::text FROM a WHERE tenant_id = $tenant RETURNING title",
        "title*",
    ),
    (
        "INSERT INTO b (id, tenant_id, title) VALUES (1, $tenant, 'x') ON CONFLICT (tenant_id, id) DO UPDATE SET title = excluded.tenant_id::text RETURNING title",
        "title*",
    ),
    (
        "INSERT INTO b (id, tenant_id, title) VALUES (1, $tenant, $tenant::text) ON CONFLICT (tenant_id, id) DO UPDATE SET a_id = 1 RETURNING a_id, title",
        "a_id title*",
    ),
    (
        "UPDATE b SET title = tenant_id::text WHERE tenant_id = $tenant RETURNING id, title",
        "id title*",
    ),
    (
        "UPDATE b SET title = 'x' WHERE tenant_id = $tenant RETURNING id, title",
        "id title",
    ),
    (
        "UPDATE b SET (title, a_id) = (SELECT a.tenant_id::text, a.id FROM a WHERE a.tenant_id = $tenant LIMIT 1) WHERE tenant_id = $tenant RETURNING id, title",
        "id title*",
    ),
    (
        "DELETE FROM b WHERE tenant_id = $tenant RETURNING *",
        "id tenant_id* a_id title",
    ),
    (
        "WITH gone AS (DELETE FROM b WHERE tenant_id = $tenant RETURNING tenant_id AS q, title) SELECT q, title FROM gone",
        "q* title",
    ),
    // Recursion: what one round makes of the tenant moves on in the next.
    (
        "WITH RECURSIVE r AS (SELECT id, tenant_id, a_id FROM b WHERE tenant_id = $tenant UNION ALL SELECT b.id, b.tenant_id, b.a_id FROM b JOIN r ON b.a_id = r.id AND b.tenant_id = r.tenant_id) SELECT id, a_id, tenant_id FROM r",
        "id a_id tenant_id*",
    ),
    (
        "WITH RECURSIVE r (q, w, k) AS (SELECT 'x'::text, 'y'::text, 1 UNION ALL SELECT r.w, a.tenant_id::text, r.k + 1 FROM r JOIN a ON a.tenant_id = $tenant WHERE r.k < 3) SELECT q, w FROM r",
        "q* w*",
    ),
];

#[test]
fn columns_of_the_tenant_are_marked() {
    let catalog = catalog_of(&Config::default(), SCHEMA);
    for (sql, expected) in CASES {
        let proof = judge(&catalog, sql).unwrap_or_else(|problems| panic!("{sql}: {problems:#?}"));
        let columns = proof.columns.unwrap_or_else(|| panic!("{sql}: no columns"));
        let found: Vec<String> = columns
            .into_iter()
            .map(|column| {
                let star = if column.from_tenant { "*" } else { "" };
                format!("{}{star}", column.name.unwrap_or_default())
            })
            .collect();
        assert_eq!(found.join(" "), *expected, "{sql}");
    }
}
