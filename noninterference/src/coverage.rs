//! Which constructs the accepted statements contain: a construct with none is a hole in the generator
//! or a refusal of the prover's.
//!
//! Invariant: found in the text that was run, not in what the generator meant to write.

use crate::schema::Schema;
use std::collections::BTreeMap;

/// A name, and texts any of which shows it; `…` stands for anything between two parts.
type Construct = (&'static str, &'static [&'static str]);

/// Of statements.
const STATEMENTS: &[Construct] = &[
    ("select", &["SELECT "]),
    (
        "values as a statement or arm",
        &[
            "VALUES (…UNION",
            "UNION VALUES",
            "ALL VALUES",
            "EXCEPT VALUES",
            "INTERSECT VALUES",
        ],
    ),
    ("values in from", &["(VALUES "]),
    ("table t", &["TABLE "]),
    ("only t", &["ONLY "]),
    ("tablesample", &["TABLESAMPLE"]),
    ("inner join", &[" JOIN "]),
    ("comma join", &["FROM…, r"]),
    ("left join", &["LEFT JOIN"]),
    ("right join", &["RIGHT JOIN"]),
    ("full join", &["FULL JOIN"]),
    ("cross join", &["CROSS JOIN"]),
    ("natural join", &["NATURAL JOIN"]),
    ("natural left/full join", &["NATURAL LEFT", "NATURAL FULL"]),
    ("using", &[" USING ("]),
    ("using … as alias", &[" USING (…) AS j"]),
    (
        "join in parentheses",
        &[
            "FROM (r",
            "JOIN (r",
            ", (r",
            " FROM (\"",
            "((",
            "JOIN (t",
            "FROM (o",
        ],
    ),
    (
        "nested outer joins",
        &[
            "LEFT JOIN…LEFT JOIN",
            "LEFT JOIN…FULL JOIN",
            "RIGHT JOIN…LEFT JOIN",
            "FULL JOIN…LEFT JOIN",
            "LEFT JOIN…RIGHT JOIN",
        ],
    ),
    ("aliased join", &[") AS j"]),
    ("alias with column names", &["AS a", " c0"]),
    ("lateral", &["LATERAL ("]),
    ("left join lateral", &["LEFT JOIN LATERAL"]),
    (
        "derived table",
        &["FROM (SELECT", "JOIN (SELECT", ", (SELECT", "FROM (WITH"],
    ),
    (
        "set-returning function in from",
        &[
            "generate_series(",
            "jsonb_each",
            "jsonb_object_keys(",
            "unnest(",
            "jsonb_array_elements",
        ],
    ),
    (
        "set-returning function in the list",
        &["SELECT unnest(", "SELECT generate_series("],
    ),
    ("rows from", &["ROWS FROM"]),
    ("with ordinality", &["WITH ORDINALITY"]),
    ("user's set-returning function", &["rows_"]),
    ("exists", &[" EXISTS (", "(EXISTS ("]),
    ("not exists", &["NOT EXISTS"]),
    ("in (sub-query)", &[" IN (SELECT", " IN (WITH"]),
    ("not in (sub-query)", &["NOT IN (SELECT"]),
    ("any/all (sub-query)", &["ANY (SELECT", "ALL (SELECT"]),
    (
        "scalar sub-query",
        &["(SELECT max", "(SELECT count", "(SELECT min", "(SELECT sum"],
    ),
    ("sub-query in order by", &["ORDER BY ((SELECT"]),
    (
        "sub-query in having",
        &["HAVING EXISTS", "HAVING NOT EXISTS", "HAVING…(SELECT"],
    ),
    ("sub-query in set", &["SET…= (SELECT"]),
    ("sub-query in values", &["VALUES (…(SELECT"]),
    ("sub-query in returning", &["RETURNING…(SELECT"]),
    (
        "with",
        &[
            "WITH w",
            "WITH RECURSIVE",
            "WITH \"",
            "WITH o",
            "WITH t",
            "WITH n",
        ],
    ),
    (
        "with that shadows a table",
        &[
            "WITH orders",
            "WITH items",
            "WITH notes",
            "WITH tickets",
            "WITH teams",
            "WITH tags",
            "WITH leads",
            "WITH customers",
            "WITH plans",
            "WITH tenants",
        ],
    ),
    ("materialized", &["AS MATERIALIZED"]),
    ("not materialized", &["NOT MATERIALIZED"]),
    ("recursive", &["WITH RECURSIVE"]),
    ("search", &[" SEARCH BREADTH", " SEARCH DEPTH"]),
    ("cycle", &[" CYCLE "]),
    (
        "data-modifying with",
        &["AS (INSERT", "AS (UPDATE", "AS (DELETE"],
    ),
    ("union", &[" UNION "]),
    ("union all", &[" UNION ALL "]),
    ("except", &[" EXCEPT "]),
    ("intersect", &[" INTERSECT "]),
    ("group by", &[" GROUP BY "]),
    ("rollup", &["ROLLUP ("]),
    ("cube", &["CUBE ("]),
    ("grouping sets", &["GROUPING SETS"]),
    ("grouping()", &["GROUPING("]),
    ("having", &[" HAVING "]),
    ("filter", &[" FILTER (WHERE"]),
    ("window function", &[" OVER ("]),
    ("window clause", &[" WINDOW "]),
    ("window frame", &["ROWS BETWEEN", "GROUPS ", "RANGE "]),
    ("distinct", &["SELECT DISTINCT "]),
    ("distinct on", &["DISTINCT ON"]),
    ("order by expression", &["ORDER BY ("]),
    ("limit", &[" LIMIT "]),
    ("limit by parameter or sub-query", &["LIMIT $", "LIMIT ("]),
    ("fetch first", &["FETCH FIRST"]),
    ("with ties", &["WITH TIES"]),
    (
        "for update/share",
        &[
            " FOR UPDATE",
            " FOR SHARE",
            " FOR NO KEY UPDATE",
            " FOR KEY SHARE",
        ],
    ),
    ("for update of", &["UPDATE OF ", "SHARE OF "]),
    ("row comparison", &[") = (", ") < (", ") >= (", ") <> ("]),
    ("row in sub-query", &[", …) IN (SELECT"]),
    ("is distinct from", &["IS DISTINCT FROM"]),
    ("case", &["CASE "]),
    ("between", &["BETWEEN"]),
    ("like", &[" LIKE ", " ILIKE "]),
    ("like parameter", &["LIKE $"]),
    ("regular expression", &[" ~ "]),
    (
        "whole row",
        &["r1::text", "r2::text", "to_jsonb(r", "(r1) IS", "(r2) IS"],
    ),
    ("field of a row", &["(r1).", "(r2).", "_id(r"]),
    ("t.*", &[".*"]),
    ("array constructor", &["ARRAY["]),
    ("array of sub-query", &["ARRAY(SELECT"]),
    ("any (array parameter)", &["ANY ($ids"]),
    ("jsonb operators", &[" @> ", " ->> ", " ? '", " #>> "]),
    ("jsonb subscript", &["data['"]),
    ("json path", &["jsonb_path", " @? "]),
    ("text search", &[" @@ "]),
    ("date and time", &["date_trunc", "interval", "extract("]),
    (
        "expression that can fail",
        &["(10 / (", "::integer", "width_bucket", "sqrt("],
    ),
    (
        "user's scalar function",
        &["twice_of(", "same_tenant(", "total_"],
    ),
    ("current_tenant()", &["current_tenant()"]),
    ("current_setting", &["current_setting("]),
    (
        "caller's tenant parameter",
        &["$org", "$tenant_id", "$TENANT", "$tenants", "$tenant1"],
    ),
    ("view", &[" v0", " v1", " v2", " v3", " v4"]),
    ("quoted name", &["\"Members\""]),
    ("qualified name", &["public."]),
    ("table of another schema", &["crm."]),
    ("partitioned table", &["events "]),
    ("partition named directly", &["events_open", "events_rest"]),
    ("inheritance child named directly", &["old_rows"]),
    ("pinned: in", &["tenant_id IN ("]),
    ("pinned: any array", &["tenant_id = ANY (ARRAY"]),
    (
        "pinned: is not distinct",
        &["tenant_id IS NOT DISTINCT FROM $tenant"],
    ),
    ("pinned: not <>", &["NOT (…tenant_id <> "]),
    ("pinned: cast", &["tenant_id::text = "]),
    (
        "pinned: or of branches",
        &["tenant_id = $tenant AND…OR…tenant_id = $tenant AND"],
    ),
    ("pinned: row", &["tenant_id, 1) = ("]),
    ("pinned: exists", &["t.id = …tenant_id AND t.id = "]),
    ("pinned: scalar sub-query", &["tenant_id = (SELECT "]),
    ("pinned: values", &["tenant_id IN (VALUES"]),
    ("insert values", &["INSERT INTO…VALUES ("]),
    ("insert several rows", &["INSERT INTO…VALUES (…), ("]),
    (
        "insert query",
        &["INSERT INTO…) SELECT", "INSERT INTO…) WITH"],
    ),
    (
        "insert without column list",
        &["INSERT INTO r", " SELECT *"],
    ),
    ("insert default values", &["DEFAULT VALUES"]),
    ("insert default", &["DEFAULT,", "DEFAULT)"]),
    ("overriding", &["OVERRIDING"]),
    ("on conflict do nothing", &["DO NOTHING"]),
    ("on conflict do update", &["DO UPDATE SET"]),
    ("on conflict do update where", &["DO UPDATE SET…WHERE"]),
    ("on conflict on constraint", &["ON CONSTRAINT"]),
    ("on conflict (a, b)", &["ON CONFLICT (…, …) DO"]),
    ("on conflict with predicate", &["ON CONFLICT (…) WHERE…DO"]),
    ("update", &["UPDATE "]),
    ("update from", &["UPDATE…SET…FROM"]),
    (
        "update (a, b) = row or sub-query",
        &[") = ROW(", ") = (SELECT"],
    ),
    (
        "update of a view",
        &["UPDATE v", "DELETE FROM v", "INSERT INTO v"],
    ),
    ("update subscript", &["SET data['"]),
    ("delete", &["DELETE FROM"]),
    ("delete using", &["DELETE FROM…USING"]),
    ("merge", &["MERGE INTO"]),
    ("merge update", &["MERGE…WHEN MATCHED…UPDATE"]),
    ("merge delete", &["MERGE…WHEN MATCHED…DELETE"]),
    (
        "merge matched do nothing",
        &["MERGE…WHEN MATCHED…DO NOTHING"],
    ),
    ("merge insert", &["WHEN NOT MATCHED…INSERT"]),
    (
        "merge not matched do nothing",
        &["NOT MATCHED THEN DO NOTHING"],
    ),
    ("merge condition", &["WHEN MATCHED AND"]),
    ("merge from sub-query", &["MERGE INTO…USING (SELECT"]),
    ("returning", &["RETURNING"]),
    ("returning *", &["RETURNING *"]),
];

/// Of definitions.
const DEFINITIONS: &[Construct] = &[
    ("row-level security", &["ENABLE ROW LEVEL SECURITY"]),
    ("policy for all", &["CREATE POLICY own ON…USING"]),
    (
        "policies by command",
        &["FOR SELECT", "FOR UPDATE", "FOR INSERT", "FOR DELETE"],
    ),
    ("restrictive policy", &["AS RESTRICTIVE"]),
    ("policy to a role", &[" TO app"]),
    ("policy with sub-query", &["USING (…IN (SELECT"]),
    ("policy altered", &["ALTER POLICY"]),
    ("policy dropped", &["DROP POLICY"]),
    (
        "row-level security toggled",
        &["DISABLE ROW LEVEL SECURITY"],
    ),
    ("force toggled", &["NO FORCE"]),
    ("table renamed", &["RENAME TO"]),
    ("column renamed", &["RENAME COLUMN"]),
    ("column added", &["ADD COLUMN"]),
    ("column dropped", &["DROP COLUMN"]),
    ("type changed", &[" TYPE "]),
    (
        "constraint added",
        &[
            "ADD CONSTRAINT",
            "ADD PRIMARY KEY",
            "ADD FOREIGN KEY",
            "ADD UNIQUE",
        ],
    ),
    ("like", &["(LIKE "]),
    ("partition attached", &["ATTACH PARTITION"]),
    ("partition detached", &["DETACH PARTITION"]),
    ("inheritance added", &[" INHERIT "]),
    ("inheritance dropped", &["NO INHERIT"]),
    ("schema changed", &["SET SCHEMA"]),
    ("transaction in a migration", &["COMMIT", "ROLLBACK"]),
    ("search_path in a migration", &["SET search_path"]),
    (
        "default from the setting",
        &[
            "DEFAULT (…current_setting",
            "DEFAULT current_setting",
            "DEFAULT nullif",
        ],
    ),
    (
        "default of another setting or constant",
        &["DEFAULT (…app.org_id", "DEFAULT '"],
    ),
    ("generated column", &["GENERATED ALWAYS AS ("]),
    ("identity column", &["AS IDENTITY"]),
    ("domain", &["tenant_ref", "CREATE DOMAIN"]),
    ("citext", &["citext"]),
    ("collation", &["COLLATE nocase"]),
    (
        "nullable tenant",
        &["tenant_id uuid,", "tenant_id bigint,", "tenant_id text,"],
    ),
    ("check constraint", &["CHECK ("]),
    ("check by a function", &["CHECK (twice_of", "CHECK (fits"]),
    (
        "index over an expression",
        &["CREATE INDEX", "CREATE UNIQUE INDEX"],
    ),
    ("partial unique index", &["CREATE UNIQUE INDEX…WHERE"]),
    ("exclusion constraint", &["EXCLUDE"]),
    (
        "composite foreign key",
        &["FOREIGN KEY (tenant_id,", "FOREIGN KEY (org_id,"],
    ),
    (
        "foreign key without the tenant",
        &["FOREIGN KEY (parent_id)"],
    ),
    ("on delete cascade", &["ON DELETE CASCADE"]),
    ("on delete set null", &["ON DELETE SET NULL"]),
    ("on delete set null (column)", &["SET NULL ("]),
    ("on delete set default", &["SET DEFAULT"]),
    ("on update cascade", &["ON UPDATE CASCADE"]),
    ("deferred", &["DEFERRABLE"]),
    ("row trigger", &["CREATE TRIGGER…FOR EACH ROW"]),
    ("statement trigger", &["FOR EACH STATEMENT"]),
    ("disabled trigger", &["DISABLE TRIGGER"]),
    ("rule", &["CREATE RULE"]),
    ("definer function", &["SECURITY DEFINER"]),
    ("plpgsql function", &["LANGUAGE plpgsql"]),
    ("sql function", &["LANGUAGE sql"]),
    ("operator", &["CREATE OPERATOR"]),
    (
        "shadowing function",
        &[
            "FUNCTION public.upper",
            "FUNCTION public.lower",
            "FUNCTION public.length",
        ],
    ),
    ("invoker view", &["security_invoker"]),
    (
        "definer view",
        &[
            "CREATE VIEW v0 AS",
            "CREATE VIEW v1 AS",
            "CREATE VIEW v2 AS",
            "CREATE VIEW v3 AS",
        ],
    ),
    ("barrier view", &["security_barrier"]),
    ("view over a view", &["FROM v0", "FROM v1", "FROM v2"]),
    ("view replaced", &["CREATE OR REPLACE VIEW"]),
    ("materialized view", &["MATERIALIZED VIEW"]),
    ("@tenant", &["@tenant"]),
    ("@global", &["@global"]),
    ("do block", &["DO $$"]),
];

/// Whether the parts between `…` follow one another in the text.
fn shows(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    for part in pattern.split('…') {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn found<'c>(
    constructs: &'c [Construct],
    text: &'c str,
) -> impl Iterator<Item = &'static str> + 'c {
    constructs
        .iter()
        .filter(|(_, patterns)| patterns.iter().any(|pattern| shows(text, pattern)))
        .map(|(name, _)| *name)
}

/// Objects of a schema, and what their definitions contain.
#[derive(Debug)]
pub struct Features(Vec<(String, Vec<&'static str>)>);

impl Features {
    pub fn of(schema: &Schema) -> Self {
        let mut objects: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
        for (object, sql) in &schema.ddl {
            let features = objects.entry(object).or_default();
            for name in found(DEFINITIONS, sql) {
                if !features.contains(&name) {
                    features.push(name);
                }
            }
        }
        Self(
            objects
                .into_iter()
                .map(|(o, f)| (o.to_owned(), f))
                .collect(),
        )
    }
}

/// Accepted statements by construct: how many ran, and how many of them returned or changed a row.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    statements: BTreeMap<&'static str, [u64; 2]>,
    definitions: BTreeMap<&'static str, [u64; 2]>,
}

impl Coverage {
    /// Counts an accepted statement.
    pub fn count(&mut self, features: &Features, sql: &str, worked: bool) {
        let add = |counts: &mut BTreeMap<&'static str, [u64; 2]>, name| {
            let count = counts.entry(name).or_default();
            count[0] += 1;
            count[1] += u64::from(worked);
        };
        for name in found(STATEMENTS, sql) {
            add(&mut self.statements, name);
        }
        let mut seen: Vec<&str> = Vec::new();
        for (object, names) in &features.0 {
            if sql.contains(object.trim_matches('"')) {
                for name in names {
                    if !seen.contains(name) {
                        seen.push(name);
                        add(&mut self.definitions, name);
                    }
                }
            }
        }
    }

    /// A table for people, in the order of the lists above; what never came is marked.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let parts = [
            ("statement", STATEMENTS, &self.statements),
            (
                "definition of what it names",
                DEFINITIONS,
                &self.definitions,
            ),
        ];
        for (title, constructs, counts) in parts {
            text += &format!("{title:<42} {:>9} {:>9}\n", "accepted", "with rows");
            for (name, _) in constructs {
                let [ran, worked] = counts.get(name).copied().unwrap_or_default();
                let mark = if ran == 0 { "   <- none" } else { "" };
                text += &format!("  {name:<40} {ran:>9} {worked:>9}{mark}\n");
            }
        }
        text
    }
}
