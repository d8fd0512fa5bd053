//! The queries that write a snapshot: each gives statements of one kind, in a stable order.
//!
//! Invariant: run with an empty search path, so that every name comes out qualified. What belongs
//! to an extension is left out: it comes with `CREATE EXTENSION`. `$1` is the application role.

use super::Section;

/// Schemas that are a project's own, as a condition on a namespace's oid.
macro_rules! own {
    ($column:literal) => {
        concat!(
            $column,
            " IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)' \
             AND nspname <> 'information_schema' AND (nspname <> 'pg_catalog'))"
        )
    };
}

/// Not a member of an extension.
macro_rules! free {
    ($class:literal, $oid:literal) => {
        concat!(
            "NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS member WHERE member.deptype = 'e' \
             AND member.classid = 'pg_catalog.",
            $class,
            "'::pg_catalog.regclass AND member.objid = ",
            $oid,
            ")"
        )
    };
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "extensions, with whatever belongs to them",
        query: "SELECT pg_catalog.format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname) \
                FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                WHERE e.extname <> 'plpgsql' ORDER BY e.extname COLLATE \"C\"",
    },
    Section {
        title: "roles of the application and of policies",
        query: "WITH RECURSIVE named(oid) AS ( \
                  SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1 \
                  UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN named ON named.oid = m.member), \
                  used(oid) AS (SELECT oid FROM named UNION SELECT r FROM pg_catalog.pg_policy p, unnest(p.polroles) r WHERE r <> 0) \
                SELECT statement FROM ( \
                  SELECT 0 AS place, r.rolname, '' AS other, pg_catalog.format('CREATE ROLE %I%s%s', r.rolname, \
                    CASE WHEN r.rolsuper THEN ' SUPERUSER' ELSE '' END, CASE WHEN r.rolbypassrls THEN ' BYPASSRLS' ELSE '' END) AS statement \
                  FROM pg_catalog.pg_roles r JOIN used ON used.oid = r.oid WHERE r.rolname !~ '^pg_' \
                  UNION ALL \
                  SELECT 1, g.rolname, m.rolname, pg_catalog.format('GRANT %I TO %I', g.rolname, m.rolname) \
                  FROM pg_catalog.pg_auth_members a JOIN named ON named.oid = a.member \
                  JOIN pg_catalog.pg_roles g ON g.oid = a.roleid JOIN pg_catalog.pg_roles m ON m.oid = a.member \
                ) AS found ORDER BY place, rolname COLLATE \"C\", other COLLATE \"C\"",
    },
    Section {
        title: "schemas",
        query: concat!(
            "SELECT pg_catalog.format('CREATE SCHEMA %I', n.nspname) FROM pg_catalog.pg_namespace n WHERE ",
            own!("n.oid"),
            " AND n.nspname <> 'public' ORDER BY n.nspname COLLATE \"C\""
        ),
    },
    Section {
        title: "collations",
        query: concat!(
            "SELECT pg_catalog.format('CREATE COLLATION %I.%I (provider = %s, locale = ''unknown'', deterministic = %s)', \
             n.nspname, c.collname, CASE c.collprovider WHEN 'i' THEN 'icu' ELSE 'libc' END, c.collisdeterministic) \
             FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE ",
            own!("n.oid"),
            " AND ",
            free!("pg_collation", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.collname COLLATE \"C\""
        ),
    },
    Section {
        title: "types",
        query: concat!(
            "SELECT CASE t.typtype \
               WHEN 'e' THEN pg_catalog.format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname, \
                 (SELECT string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)) \
               WHEN 'c' THEN pg_catalog.format('CREATE TYPE %I.%I AS (%s)', n.nspname, t.typname, \
                 (SELECT string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) \
                  FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) \
               WHEN 'd' THEN pg_catalog.format('CREATE DOMAIN %I.%I AS %s%s%s%s%s', n.nspname, t.typname, pg_catalog.format_type(t.typbasetype, t.typtypmod), \
                 (SELECT pg_catalog.format(' COLLATE %I.%I', cn.nspname, c.collname) FROM pg_catalog.pg_collation c \
                  JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype \
                  WHERE c.oid = t.typcollation AND t.typcollation <> b.typcollation), \
                 CASE WHEN t.typdefault IS NULL THEN '' ELSE ' DEFAULT ' || COALESCE(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault) END, \
                 CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END, \
                 (SELECT string_agg(pg_catalog.format(' CONSTRAINT %I %s', k.conname, pg_catalog.pg_get_constraintdef(k.oid)), '' ORDER BY k.conname COLLATE \"C\") \
                  FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) \
               WHEN 'r' THEN (SELECT CASE WHEN r.rngcanonical <> 0 OR r.rngsubdiff <> 0 OR NOT oc.opcdefault \
                   THEN pg_catalog.format('CREATE TYPE %I.%I', n.nspname, t.typname) \
                   ELSE pg_catalog.format('CREATE TYPE %I.%I AS RANGE (subtype = %s)', n.nspname, t.typname, pg_catalog.format_type(r.rngsubtype, NULL)) END \
                 FROM pg_catalog.pg_range r JOIN pg_catalog.pg_opclass oc ON oc.oid = r.rngsubopc WHERE r.rngtypid = t.oid) \
               ELSE pg_catalog.format('CREATE TYPE %I.%I', n.nspname, t.typname) END \
             FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid WHERE ",
            own!("n.oid"),
            " AND ",
            free!("pg_type", "t.oid"),
            " AND t.typtype IN ('b', 'c', 'd', 'e', 'r') AND (t.typtype <> 'c' OR c.relkind = 'c') \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid) \
             ORDER BY t.typtype <> 'e', t.typtype <> 'd', n.nspname COLLATE \"C\", t.typname COLLATE \"C\""
        ),
    },
    Section {
        title: "sequences",
        query: concat!(
            "SELECT pg_catalog.format('CREATE SEQUENCE %I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) \
             ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "tables",
        query: concat!(
            "SELECT pg_catalog.format('CREATE %sTABLE %I.%I (%s)%s%s', CASE WHEN c.relkind = 'f' THEN 'FOREIGN ' ELSE '' END, n.nspname, c.relname, \
               (SELECT string_agg(E'\\n    ' || pg_catalog.format('%I %s%s%s%s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
                  (SELECT pg_catalog.format(' COLLATE %I.%I', cn.nspname, co.collname) FROM pg_catalog.pg_collation co \
                   JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                   WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation), \
                  CASE WHEN a.attidentity = 'a' THEN ' GENERATED ALWAYS AS IDENTITY' WHEN a.attidentity = 'd' THEN ' GENERATED BY DEFAULT AS IDENTITY' \
                    WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') STORED' \
                    WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid) ELSE '' END, \
                  CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), ',' ORDER BY a.attnum) \
                FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
               CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_catalog.pg_get_partkeydef(c.oid) ELSE '' END, \
               CASE WHEN c.relkind = 'f' THEN (SELECT pg_catalog.format(' SERVER %I', s.srvname) FROM pg_catalog.pg_foreign_table f \
                 JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) ELSE '' END) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "keys, checks and exclusions",
        query: concat!(
            "SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) \
             FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_constraint above ON above.oid = k.conparentid WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') \
             AND (above.oid IS NULL OR above.conrelid <> k.conrelid) AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY k.contype = 'f', n.nspname COLLATE \"C\", c.relname COLLATE \"C\", pg_catalog.strpos('pucxf', k.contype::text), k.conname COLLATE \"C\""
        ),
    },
    Section {
        title: "indexes that are unique or evaluate something",
        query: concat!(
            "SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
             JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'f') AND (i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", x.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "partitions and inheritance",
        query: concat!(
            "SELECT CASE WHEN c.relispartition \
               THEN pg_catalog.format('ALTER TABLE ONLY %I.%I ATTACH PARTITION %I.%I %s', pn.nspname, p.relname, n.nspname, c.relname, pg_catalog.pg_get_expr(c.relpartbound, c.oid)) \
               ELSE pg_catalog.format('ALTER TABLE %I.%I INHERIT %I.%I', n.nspname, c.relname, pn.nspname, p.relname) END \
             FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_class p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'f') AND ",
            own!("n.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", i.inhseqno"
        ),
    },
];

/// What comes after the views, which are put into the order of what they read.
pub(super) const AFTER_VIEWS: &[Section] = &[
    Section {
        title: "functions and procedures",
        query: concat!(
            "SELECT pg_catalog.rtrim(pg_catalog.pg_get_functiondef(p.oid), E'\\n') FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE p.prokind IN ('f', 'p', 'w') AND (n.nspname <> 'pg_catalog' OR p.oid >= 16384) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(toast|temp)' AND ",
            free!("pg_proc", "p.oid"),
            " ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", pg_catalog.pg_get_function_identity_arguments(p.oid) COLLATE \"C\""
        ),
    },
    Section {
        title: "aggregates",
        query: concat!(
            "SELECT pg_catalog.format('CREATE AGGREGATE %I.%I(%s) (SFUNC = %s, STYPE = %s)', n.nspname, p.proname, \
               COALESCE(NULLIF(pg_catalog.pg_get_function_identity_arguments(p.oid), ''), '*'), a.aggtransfn::pg_catalog.regproc, pg_catalog.format_type(a.aggtranstype, NULL)) \
             FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
             WHERE (n.nspname <> 'pg_catalog' OR p.oid >= 16384) AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname <> 'information_schema' AND ",
            free!("pg_proc", "p.oid"),
            " ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", pg_catalog.pg_get_function_identity_arguments(p.oid) COLLATE \"C\""
        ),
    },
    Section {
        title: "operators",
        query: concat!(
            "SELECT pg_catalog.format('CREATE OPERATOR %I.%s (FUNCTION = %s%s%s)', n.nspname, o.oprname, o.oprcode::pg_catalog.regproc, \
               CASE WHEN o.oprleft <> 0 THEN ', LEFTARG = ' || pg_catalog.format_type(o.oprleft, NULL) ELSE '' END, \
               CASE WHEN o.oprright <> 0 THEN ', RIGHTARG = ' || pg_catalog.format_type(o.oprright, NULL) ELSE '' END) \
             FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
             WHERE (n.nspname <> 'pg_catalog' OR o.oid >= 16384) AND n.nspname !~ '^pg_(toast|temp)' AND n.nspname <> 'information_schema' AND o.oprcode <> 0 AND ",
            free!("pg_operator", "o.oid"),
            " ORDER BY n.nspname COLLATE \"C\", o.oprname COLLATE \"C\", o.oprleft, o.oprright"
        ),
    },
    Section {
        title: "casts",
        query: concat!(
            "SELECT pg_catalog.format('CREATE CAST (%s AS %s) %s%s', pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL), \
               CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::pg_catalog.regprocedure WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END, \
               CASE c.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' ELSE '' END) \
             FROM pg_catalog.pg_cast c WHERE c.oid >= 16384 AND ",
            free!("pg_cast", "c.oid"),
            " ORDER BY pg_catalog.format_type(c.castsource, NULL) COLLATE \"C\", pg_catalog.format_type(c.casttarget, NULL) COLLATE \"C\""
        ),
    },
    Section {
        title: "triggers",
        query: concat!(
            "SELECT statement FROM (SELECT n.nspname, c.relname, t.tgname, 0 AS place, pg_catalog.pg_get_triggerdef(t.oid) AS statement, t.oid, t.tgrelid \
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE NOT t.tgisinternal AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " UNION ALL SELECT n.nspname, c.relname, t.tgname, 1, pg_catalog.format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, t.tgname), t.oid, t.tgrelid \
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE NOT t.tgisinternal AND t.tgenabled IN ('D', 'R') AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            ") AS found ORDER BY nspname COLLATE \"C\", relname COLLATE \"C\", tgname COLLATE \"C\", place"
        ),
    },
    Section {
        title: "rules",
        query: concat!(
            "SELECT pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), E';\\n ') FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('O', 'A') AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", r.rulename COLLATE \"C\""
        ),
    },
    Section {
        title: "row-level security",
        query: concat!(
            "SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I %s', n.nspname, c.relname, \
               pg_catalog.concat_ws(', ', CASE WHEN c.relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END, CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END)) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "policies",
        query: concat!(
            "SELECT pg_catalog.format(E'CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s%s%s', p.polname, n.nspname, c.relname, \
               CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, \
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
               (SELECT string_agg(CASE WHEN r.role = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(a.rolname) END, ', ' ORDER BY a.rolname COLLATE \"C\") \
                FROM unnest(p.polroles) AS r(role) LEFT JOIN pg_catalog.pg_roles a ON a.oid = r.role), \
               E'\\n    USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', \
               E'\\n    WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
             FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", p.polname COLLATE \"C\""
        ),
    },
    Section {
        title: "owners that the application role is a member of",
        query: concat!(
            "SELECT pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, o.rolname) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
             WHERE c.relkind IN ('r', 'p', 'f') AND EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = $1 AND pg_catalog.pg_has_role(a.oid, o.oid, 'MEMBER')) AND ",
            own!("n.oid"),
            " AND ",
            free!("pg_class", "c.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "directives",
        query: concat!(
            "SELECT pg_catalog.format('COMMENT ON TABLE %I.%I IS %L', n.nspname, c.relname, d.description) FROM pg_catalog.pg_description d \
             JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') AND pg_catalog.ltrim(d.description) LIKE '@%' AND ",
            own!("n.oid"),
            " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
        ),
    },
    Section {
        title: "settings of the application's sessions that decide what names and texts mean",
        query: "SELECT CASE WHEN s.setrole = 0 THEN 'ALTER ROLE ALL SET ' ELSE pg_catalog.format('ALTER ROLE %I SET ', $1::text) END || \
                  CASE WHEN c.name = 'search_path' THEN 'search_path = ' || COALESCE(NULLIF(c.value, ''), '''''') \
                    ELSE c.name || ' = ' || pg_catalog.quote_literal(c.value) END \
                FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS given(setting), \
                  LATERAL (SELECT pg_catalog.split_part(setting, '=', 1) AS name, \
                    pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1) AS value) AS c \
                WHERE c.name IN ('search_path', 'role', 'session_authorization', 'standard_conforming_strings', 'plpgsql.variable_conflict') \
                  AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) \
                  AND (s.setrole = 0 OR s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1)) \
                ORDER BY s.setrole, s.setdatabase, c.name COLLATE \"C\"",
    },
    Section {
        title: "what was put among the server's own, where it hides whatever has its name",
        query: "SELECT pg_catalog.format('CREATE TYPE pg_catalog.%I', name) FROM ( \
                  SELECT c.relname AS name FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace \
                  UNION SELECT t.typname FROM pg_catalog.pg_type t WHERE t.oid >= 16384 AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace \
                ) AS found ORDER BY name COLLATE \"C\"",
    },
    Section {
        title: "members of extensions that may take the place of what the server has",
        query: "SELECT statement FROM ( \
                  SELECT 1 AS place, pg_catalog.format('CREATE OPERATOR %I.%s (FUNCTION = %s%s%s)', n.nspname, o.oprname, o.oprcode::pg_catalog.regproc, \
                    CASE WHEN o.oprleft <> 0 THEN ', LEFTARG = ' || pg_catalog.format_type(o.oprleft, NULL) ELSE '' END, \
                    CASE WHEN o.oprright <> 0 THEN ', RIGHTARG = ' || pg_catalog.format_type(o.oprright, NULL) ELSE '' END) AS statement \
                  FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace \
                  JOIN pg_catalog.pg_depend d ON d.objid = o.oid AND d.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.deptype = 'e' \
                  WHERE o.oprcode <> 0 AND o.oprleft < 16384 AND o.oprright < 16384 \
                    AND EXISTS (SELECT FROM pg_catalog.pg_operator b \
                      LEFT JOIN pg_catalog.pg_type bl ON bl.oid = b.oprleft LEFT JOIN pg_catalog.pg_type ol ON ol.oid = o.oprleft \
                      JOIN pg_catalog.pg_type br ON br.oid = b.oprright JOIN pg_catalog.pg_type r ON r.oid = o.oprright \
                      WHERE b.oid < 16384 AND b.oprname = o.oprname AND (br.typcategory = r.typcategory OR br.typtype = 'p') \
                        AND (bl.typcategory IS NOT DISTINCT FROM ol.typcategory OR bl.typtype = 'p')) \
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_operator b WHERE b.oid < 16384 AND b.oprname = o.oprname AND b.oprleft = o.oprleft AND b.oprright = o.oprright) \
                  UNION ALL \
                  SELECT 0, pg_catalog.rtrim(pg_catalog.pg_get_functiondef(p.oid), E'\\n') \
                  FROM pg_catalog.pg_proc p \
                  JOIN pg_catalog.pg_depend d ON d.objid = p.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e' \
                  WHERE p.prokind IN ('f', 'p', 'w') AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) AS t(oid) WHERE t.oid >= 16384) \
                    AND EXISTS (SELECT FROM pg_catalog.pg_proc b WHERE b.oid < 16384 AND b.proname = p.proname AND b.pronargs = p.pronargs) \
                    AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc b WHERE b.oid < 16384 AND b.proname = p.proname AND b.proargtypes = p.proargtypes) \
                  UNION ALL \
                  SELECT 2, pg_catalog.format('CREATE CAST (%s AS %s) WITH INOUT%s', pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL), \
                    CASE c.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' ELSE '' END) \
                  FROM pg_catalog.pg_cast c \
                  JOIN pg_catalog.pg_depend d ON d.objid = c.oid AND d.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass AND d.deptype = 'e' \
                  WHERE c.castsource < 16384 AND c.casttarget < 16384 \
                ) AS found ORDER BY place, statement COLLATE \"C\"",
    },
    Section {
        title: "operator classes, whose functions are not read",
        query: concat!(
            "SELECT pg_catalog.format('CREATE OPERATOR CLASS %I.%I FOR TYPE %s USING %I AS STORAGE %s', n.nspname, o.opcname, \
               pg_catalog.format_type(o.opcintype, NULL), m.amname, pg_catalog.format_type(o.opcintype, NULL)) \
             FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod \
             WHERE o.oid >= 16384 AND ",
            free!("pg_opclass", "o.oid"),
            " ORDER BY n.nspname COLLATE \"C\", o.opcname COLLATE \"C\", m.amname COLLATE \"C\""
        ),
    },
];

/// Views: the statement, the oid, and the oids of the views that it reads.
pub(super) const VIEWS: &str = concat!(
    "SELECT c.oid::int8 AS id, pg_catalog.format('CREATE %sVIEW %I.%I%s AS%s', CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED ' ELSE '' END, n.nspname, c.relname, \
       CASE WHEN c.reloptions IS NULL OR c.relkind = 'm' THEN '' ELSE ' WITH (' || pg_catalog.array_to_string(c.reloptions, ', ') || ')' END, \
       E'\\n' || pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';')) AS statement, \
       COALESCE((SELECT array_agg(DISTINCT d.refobjid::int8) FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.objid = r.oid \
         AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         WHERE r.ev_class = c.oid AND d.refobjid <> c.oid), '{}') AS reads \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND ",
    own!("n.oid"),
    " AND ",
    free!("pg_class", "c.oid"),
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
);
