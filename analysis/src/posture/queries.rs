//! The queries that read what a snapshot leaves out: roles, grants, owners, settings, the server.
//!
//! Each gives rows of one column, a JSON object as text, whose members are the fields of the struct
//! of the same name in `facts`. `$1` is the application role. Invariant: catalogs that every role may
//! read, and nothing of the tables themselves; run in the transaction that `snapshot::PREPARE` opens.

/// One query.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// What it reads, as [`super::Facts::add`] takes it.
    pub name: &'static str,
    /// The text.
    pub sql: &'static str,
}

impl Query {
    /// Whether the query has a parameter.
    pub fn asks_role(&self) -> bool {
        self.sql.contains("$1")
    }
}

/// Rows as JSON objects.
macro_rules! rows {
    ($($sql:literal),+ $(,)?) => {
        concat!("SELECT pg_catalog.to_jsonb(found)::text FROM (", $($sql),+, ") AS found")
    };
}

/// All of them. The first one needs no role.
pub const QUERIES: &[Query] = &[
    Query {
        name: "server",
        sql: rows!(
            "SELECT pg_catalog.current_setting('server_version') AS version, \
               pg_catalog.current_setting('server_version_num')::int AS number, \
               pg_catalog.current_database() AS database, current_user AS login, \
               (SELECT o.rolname FROM pg_catalog.pg_database d JOIN pg_catalog.pg_roles o ON o.oid = d.datdba \
                WHERE d.datname = pg_catalog.current_database()) AS owner"
        ),
    },
    Query {
        name: "role",
        sql: rows!(
            "SELECT r.rolname AS name, r.rolsuper AS super, r.rolbypassrls AS bypass, r.rolreplication AS replication, \
               r.rolcreaterole AS create_role, r.rolcreatedb AS create_db, r.rolcanlogin AS login, r.rolinherit AS inherit \
             FROM pg_catalog.pg_roles r ORDER BY r.rolname COLLATE \"C\""
        ),
    },
    Query {
        name: "membership",
        sql: rows!(
            "SELECT g.rolname AS role, m.rolname AS member, a.admin_option AS admin, \
               COALESCE((pg_catalog.to_jsonb(a) ->> 'set_option')::bool, true) AS set, \
               COALESCE((pg_catalog.to_jsonb(a) ->> 'inherit_option')::bool, m.rolinherit) AS inherit \
             FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles g ON g.oid = a.roleid \
             JOIN pg_catalog.pg_roles m ON m.oid = a.member ORDER BY g.rolname COLLATE \"C\", m.rolname COLLATE \"C\""
        ),
    },
    Query {
        name: "relation",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS name, c.relkind AS kind, o.rolname AS owner, \
               c.relrowsecurity AS rls, c.relforcerowsecurity AS forced, c.relispartition AS partition, \
               c.reltuples::float8 AS rows, CASE WHEN c.relkind IN ('r', 'm') THEN COALESCE(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END AS bytes, \
               'security_invoker=true' = ANY (c.reloptions) OR 'security_invoker=on' = ANY (c.reloptions) \
                 OR 'security_invoker=1' = ANY (c.reloptions) OR 'security_invoker=yes' = ANY (c.reloptions) AS invoker, \
               EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e') AS extension, \
               EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i') AS internal, \
               COALESCE((SELECT pg_catalog.jsonb_agg(pn.nspname || '.' || p.relname) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent \
                 JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid), '[]') AS parents, \
               CASE WHEN pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE') THEN ARRAY(SELECT p.name FROM (VALUES \
                 ('SELECT', CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege($1::name, c.oid, 'SELECT') \
                   ELSE pg_catalog.has_table_privilege($1::name, c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege($1::name, c.oid, 'SELECT') END), \
                 ('USAGE', c.relkind = 'S' AND pg_catalog.has_sequence_privilege($1::name, c.oid, 'USAGE')), \
                 ('INSERT', c.relkind <> 'S' AND (pg_catalog.has_table_privilege($1::name, c.oid, 'INSERT') OR pg_catalog.has_any_column_privilege($1::name, c.oid, 'INSERT'))), \
                 ('UPDATE', c.relkind <> 'S' AND (pg_catalog.has_table_privilege($1::name, c.oid, 'UPDATE') OR pg_catalog.has_any_column_privilege($1::name, c.oid, 'UPDATE'))), \
                 ('DELETE', c.relkind <> 'S' AND pg_catalog.has_table_privilege($1::name, c.oid, 'DELETE')), \
                 ('TRUNCATE', c.relkind <> 'S' AND pg_catalog.has_table_privilege($1::name, c.oid, 'TRUNCATE')), \
                 ('REFERENCES', c.relkind <> 'S' AND (pg_catalog.has_table_privilege($1::name, c.oid, 'REFERENCES') OR pg_catalog.has_any_column_privilege($1::name, c.oid, 'REFERENCES'))), \
                 ('TRIGGER', c.relkind <> 'S' AND pg_catalog.has_table_privilege($1::name, c.oid, 'TRIGGER')), \
                 ('MAINTAIN', CASE WHEN pg_catalog.current_setting('server_version_num')::int < 170000 THEN false \
                   ELSE c.relkind <> 'S' AND pg_catalog.has_table_privilege($1::name, c.oid, 'MAINTAIN') END) \
               ) AS p(name, held) WHERE p.held) ELSE '{}' END AS privileges, \
               COALESCE((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('grantee', COALESCE(g.rolname, 'PUBLIC'), 'privilege', a.privilege_type)) \
                 FROM pg_catalog.aclexplode(c.relacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE a.grantee <> c.relowner), '[]') AS grants \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Query {
        name: "column",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS relation, a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, \
               a.attnotnull AS not_null, COALESCE(co.collisdeterministic, true) AS deterministic \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation \
             WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum"
        ),
    },
    Query {
        name: "index",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS relation, x.relname AS name, i.indisvalid AS valid, i.indpred IS NOT NULL AS partial, \
               (SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]) AS leads, \
               CASE WHEN i.indisunique OR i.indisexclusion THEN COALESCE((SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k \
                 WHERE k.conrelid = i.indrelid AND k.conindid = i.indexrelid AND k.contype IN ('u', 'x') LIMIT 1), pg_catalog.pg_get_indexdef(i.indexrelid)) END AS definition \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", x.relname COLLATE \"C\""
        ),
    },
    Query {
        name: "function",
        sql: rows!(
            "SELECT n.nspname AS schema, p.proname AS name, pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments, p.prokind AS kind, \
               l.lanname AS language, l.lanpltrusted AS trusted, o.rolname AS owner, p.prosecdef AS definer, p.provolatile AS volatility, \
               p.proleakproof AS leakproof, COALESCE(pg_catalog.to_jsonb(p.proconfig), '[]') AS settings, \
               COALESCE(p.prosrc, '') || COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), '') AS source, \
               pg_catalog.format_type(p.prorettype, NULL) AS returns, \
               pg_catalog.has_function_privilege($1::name, p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE') AS executable, \
               ARRAY(SELECT COALESCE(g.rolname, 'PUBLIC') FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a \
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE a.privilege_type = 'EXECUTE' ORDER BY 1) AS callers \
             FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
             JOIN pg_catalog.pg_roles o ON o.oid = p.proowner \
             WHERE p.oid >= 16384 AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname <> 'information_schema' AND p.prokind IN ('f', 'p') \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e') \
             ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", pg_catalog.pg_get_function_identity_arguments(p.oid) COLLATE \"C\""
        ),
    },
    Query {
        name: "outside",
        sql: rows!(
            "SELECT n.nspname || '.' || p.proname AS name, p.oid::pg_catalog.regprocedure::text AS signature, COALESCE(e.extname, '') AS extension, \
               ARRAY(SELECT COALESCE(g.rolname, 'PUBLIC') FROM pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) a \
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE a.privilege_type = 'EXECUTE' ORDER BY 1) AS callers \
             FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             LEFT JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e' \
             LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
             WHERE pg_catalog.has_function_privilege($1::name, p.oid, 'EXECUTE') AND (n.nspname = 'pg_catalog' OR pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE')) \
               AND ((e.extname = 'dblink' AND p.proname IN ('dblink', 'dblink_connect', 'dblink_connect_u', 'dblink_exec', 'dblink_open', 'dblink_send_query')) \
                 OR (e.extname IN ('adminpack', 'http', 'pg_net', 'plsh', 'pg_background', 'pageinspect') AND p.prokind IN ('f', 'p')) \
                 OR (p.oid < 16384 AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export', \
                     'pg_logical_slot_get_changes', 'pg_logical_slot_peek_changes') \
                   AND NOT (p.proname LIKE 'pg\\_logical%' AND p.proacl IS NULL))) \
             ORDER BY p.oid::pg_catalog.regprocedure::text COLLATE \"C\""
        ),
    },
    Query {
        name: "uses",
        sql: rows!(
            "SELECT DISTINCT n.nspname AS schema, v.relname AS view, \
               CASE WHEN d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'relation' ELSE 'function' END AS kind, \
               COALESCE(rn.nspname || '.' || r.relname, fn.nspname || '.' || f.proname) AS name \
             FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class v ON v.oid = w.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace \
             JOIN pg_catalog.pg_depend d ON d.objid = w.oid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refobjid <> v.oid \
             LEFT JOIN pg_catalog.pg_class r ON r.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace \
             LEFT JOIN pg_catalog.pg_proc f ON f.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
             LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace \
             WHERE v.relkind IN ('v', 'm') AND w.rulename = '_RETURN' AND (r.oid IS NOT NULL OR f.oid >= 16384) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY 1, 2, 3, 4"
        ),
    },
    Query {
        name: "trigger",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS relation, t.tgname AS name, fn.nspname || '.' || f.proname AS function \
             FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.pronamespace \
             WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", t.tgname COLLATE \"C\""
        ),
    },
    Query {
        name: "rewrite",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS relation, r.rulename AS name, \
               CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' ELSE 'SELECT' END AS command, \
               pg_catalog.pg_get_ruledef(r.oid) AS definition \
             FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('O', 'A') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", r.rulename COLLATE \"C\""
        ),
    },
    Query {
        name: "setting",
        sql: rows!(
            "SELECT COALESCE(r.rolname, '') AS role, COALESCE(d.datname, '') AS database, \
               pg_catalog.split_part(given.setting, '=', 1) AS name, pg_catalog.substr(given.setting, pg_catalog.strpos(given.setting, '=') + 1) AS value \
             FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS given(setting) \
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
             WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database()) AND (s.setrole = 0 OR r.rolname = $1) \
             ORDER BY 1, 2, 3"
        ),
    },
    Query {
        name: "default_acl",
        sql: rows!(
            "SELECT o.rolname AS creator, COALESCE(n.nspname, '') AS schema, a.privilege_type AS privilege, COALESCE(g.rolname, 'PUBLIC') AS grantee \
             FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles o ON o.oid = d.defaclrole LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace \
             CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee \
             WHERE d.defaclobjtype = 'r' AND a.grantee <> d.defaclrole ORDER BY 1, 2, 4, 3"
        ),
    },
    Query {
        name: "schema",
        sql: rows!(
            "SELECT n.nspname AS name, o.rolname AS owner, pg_catalog.has_schema_privilege($1::name, n.oid, 'CREATE') AS creates, \
               ARRAY(SELECT COALESCE(g.rolname, 'PUBLIC') FROM pg_catalog.aclexplode(n.nspacl) a LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee \
                 WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner ORDER BY 1) AS creators \
             FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles o ON o.oid = n.nspowner \
             WHERE n.nspname !~ '^pg_(toast|temp)' AND n.nspname <> 'information_schema' ORDER BY n.nspname COLLATE \"C\""
        ),
    },
    Query {
        name: "database",
        sql: rows!(
            "SELECT pg_catalog.has_database_privilege($1::name, pg_catalog.current_database(), 'TEMP') AS temporary, \
               pg_catalog.has_database_privilege($1::name, pg_catalog.current_database(), 'CREATE') AS creates, \
               ARRAY(SELECT COALESCE(g.rolname, 'PUBLIC') FROM pg_catalog.pg_database d CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl) a \
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE d.datname = pg_catalog.current_database() AND a.privilege_type = 'CREATE' ORDER BY 1) AS creators, \
               ARRAY(SELECT COALESCE(g.rolname, 'PUBLIC') FROM pg_catalog.pg_database d \
                 CROSS JOIN LATERAL pg_catalog.aclexplode(COALESCE(d.datacl, pg_catalog.acldefault('d', d.datdba))) a \
                 LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantee WHERE d.datname = pg_catalog.current_database() AND a.privilege_type = 'TEMPORARY' ORDER BY 1) AS temporary_to"
        ),
    },
    Query {
        name: "publication",
        sql: rows!(
            "SELECT t.pubname AS name, t.schemaname AS schema, t.tablename AS relation, (pg_catalog.to_jsonb(t) ->> 'rowfilter') IS NOT NULL AS filtered FROM pg_catalog.pg_publication_tables t \
             ORDER BY t.pubname COLLATE \"C\", t.schemaname COLLATE \"C\", t.tablename COLLATE \"C\""
        ),
    },
    Query {
        name: "statements",
        sql: rows!(
            "SELECT n.nspname AS schema, c.relname AS name, \
               (SELECT p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements' LIMIT 1) AS function \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e' \
             JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
             WHERE e.extname = 'pg_stat_statements' AND c.relname = 'pg_stat_statements' \
               AND pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE') AND (pg_catalog.has_table_privilege($1::name, c.oid, 'SELECT') \
                 OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid AND p.proname = 'pg_stat_statements' \
                   AND pg_catalog.has_function_privilege($1::name, p.oid, 'EXECUTE')))"
        ),
    },
    Query {
        name: "large_objects",
        sql: rows!(
            "SELECT (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata m WHERE pg_catalog.pg_has_role($1::name, m.lomowner, 'USAGE') \
               OR EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' \
                 AND CASE WHEN a.grantee = 0 THEN true ELSE pg_catalog.pg_has_role($1::name, a.grantee, 'USAGE') END)) AS readable, \
               pg_catalog.current_setting('lo_compat_privileges')::bool AND EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata) AS unguarded"
        ),
    },
    Query {
        name: "temporary",
        sql: rows!(
            "SELECT c.relname AS name, o.rolname AS owner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
             WHERE c.relpersistence = 't' AND c.relkind IN ('r', 'p', 'v') ORDER BY c.relname COLLATE \"C\", o.rolname COLLATE \"C\""
        ),
    },
];
