//! Triggers as people write them are understood: a write that fires them stays proved. What each
//! form must not let through is in the histories.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};

/// `notes` by predicate, `docs` by row-level security, and tables beside them of either kind.
const SCHEMA: &str = "
CREATE TABLE notes (id bigint, tenant_id uuid NOT NULL, project_id bigint, number int, title text,
    slug text, updated_at timestamptz, PRIMARY KEY (tenant_id, id));
CREATE TABLE projects (id bigint, tenant_id uuid NOT NULL, notes int, PRIMARY KEY (tenant_id, id));
CREATE TABLE counters (tenant_id uuid PRIMARY KEY, n int NOT NULL);
CREATE TABLE audit (tenant_id uuid NOT NULL, what text, row_id bigint, data jsonb);
CREATE TABLE docs (id bigint, tenant_id uuid NOT NULL, number int, title text,
    PRIMARY KEY (tenant_id, id));
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
ALTER TABLE docs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON docs USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE TABLE log (tenant_id uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid, what text);
ALTER TABLE log ENABLE ROW LEVEL SECURITY;
ALTER TABLE log FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON log USING (tenant_id = current_setting('app.tenant_id')::uuid);
";

const NOTES: [&str; 3] = [
    "INSERT INTO notes (id, tenant_id, title) VALUES (1, $tenant, 'a')",
    "UPDATE notes SET title = 'b' WHERE tenant_id = $tenant",
    "DELETE FROM notes WHERE tenant_id = $tenant",
];
const DOCS: [&str; 3] = [
    "INSERT INTO docs (id, tenant_id, title) VALUES (1, $tenant, 'a')",
    "UPDATE docs SET title = 'b'",
    "DELETE FROM docs",
];

/// Why the statement is not proved with the trigger function in place.
fn why(table: &str, when: &str, options: &str, body: &str, statement: &str) -> Option<String> {
    let text = format!(
        "{SCHEMA}
         CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql {options} AS $$ {body} $$;
         CREATE TRIGGER tg {when} ON {table} FOR EACH ROW EXECUTE FUNCTION tf();"
    );
    let path = "0001_m.sql".to_owned();
    let config = Config::default();
    let migrations = order(vec![SourceFile { path, text }]).unwrap();
    let catalog = Catalog::build(&config, &migrations);
    let prepared = prepare(statement, TenantBinding::LastParameter, &config).unwrap();
    let refused = prove(&catalog, &prepared).err()?;
    Some(refused.iter().map(|d| d.message.clone()).collect())
}

#[test]
fn everyday_triggers_are_understood() {
    let every = "AFTER INSERT OR UPDATE OR DELETE";
    let bodies = [
        // Marks and derived columns.
        (
            "BEFORE INSERT OR UPDATE",
            "",
            "BEGIN NEW.updated_at := now(); NEW.slug := lower(NEW.title); RETURN NEW; END",
        ),
        // An audit trail, with the rights of its owner and without.
        (
            every,
            "SECURITY DEFINER SET search_path = public",
            "BEGIN
               INSERT INTO audit (tenant_id, what, row_id, data)
               VALUES (coalesce(NEW.tenant_id, OLD.tenant_id), TG_OP, coalesce(NEW.id, OLD.id), to_jsonb(NEW));
               RETURN coalesce(NEW, OLD);
             END",
        ),
        (
            every,
            "",
            "BEGIN
               IF TG_OP = 'DELETE' THEN
                 INSERT INTO audit (tenant_id, what) VALUES (OLD.tenant_id, 'gone'); RETURN OLD;
               END IF;
               INSERT INTO log (what) VALUES (TG_TABLE_NAME || ' ' || NEW.title);
               RETURN NEW;
             END",
        ),
        // A path of its own, and names that are qualified.
        (
            every,
            "SECURITY DEFINER SET search_path = ''",
            "BEGIN
               INSERT INTO public.audit (tenant_id, what) VALUES (coalesce(NEW.tenant_id, OLD.tenant_id), 'x');
               RETURN NULL;
             END",
        ),
        // Counters of a parent, by the name of the table, an alias, or neither.
        (
            every,
            "",
            "<<count>> DECLARE step int := 1; BEGIN
               IF TG_OP = 'DELETE' THEN count.step := -1; END IF;
               UPDATE projects SET notes = notes + step WHERE projects.tenant_id = NEW.tenant_id AND id = NEW.project_id;
               UPDATE projects p SET notes = p.notes + step WHERE p.tenant_id = OLD.tenant_id AND p.id = OLD.project_id;
               UPDATE projects SET notes = notes - step WHERE tenant_id = OLD.tenant_id AND id <> OLD.id
                 AND (notes > 0 OR notes IS NULL) AND NOT notes = 7 AND notes IN (1, 2) AND id IS DISTINCT FROM NEW.id;
               RETURN NULL;
             END",
        ),
        // Loops over what policies confine, into a record.
        (
            every,
            "",
            "DECLARE r record; n int; BEGIN
               FOR r IN SELECT id, title FROM docs ORDER BY id LOOP
                 INSERT INTO log (what) VALUES (r.title);
               END LOOP;
               FOR i IN 1..3 LOOP n := i; END LOOP;
               SELECT count(*) INTO n FROM log;
               RETURN NULL;
             EXCEPTION WHEN unique_violation THEN RETURN NULL;
             END",
        ),
        // What the tenant's own rows say, table by table.
        (
            "BEFORE INSERT OR UPDATE",
            "SECURITY DEFINER SET search_path = public",
            "DECLARE known boolean := EXISTS (SELECT 1 FROM counters WHERE tenant_id = NEW.tenant_id); BEGIN
               SELECT coalesce(max(p.notes), 0) + 1 INTO NEW.number FROM projects p WHERE p.tenant_id = NEW.tenant_id;
               IF NOT EXISTS (SELECT 1 FROM audit WHERE tenant_id = NEW.tenant_id AND row_id = NEW.id) OR known THEN
                 RAISE NOTICE 'new';
               END IF;
               NEW.title := (SELECT max(what) FROM audit a WHERE a.tenant_id = NEW.tenant_id);
               RETURN NEW;
             END",
        ),
        (
            every,
            "",
            "BEGIN
               IF EXISTS (SELECT 1 FROM log l JOIN docs d ON d.title = l.what) THEN RAISE EXCEPTION 'taken'; END IF;
               RETURN NULL;
             END",
        ),
        // A number that each tenant counts for itself.
        (
            "BEFORE INSERT",
            "",
            "BEGIN
               UPDATE counters SET n = n + 1 WHERE tenant_id = NEW.tenant_id RETURNING n INTO NEW.number;
               RETURN NEW;
             END",
        ),
    ];
    let mut refused = Vec::new();
    for (when, options, body) in bodies {
        for statement in NOTES {
            refused.extend(why("notes", when, options, body, statement));
        }
    }
    // Columns that only `notes` has aside, the same holds for a table that policies confine.
    for (when, options, body) in bodies {
        if body.contains("project_id") || body.contains("slug") {
            continue;
        }
        for statement in DOCS {
            refused.extend(why("docs", when, options, body, statement));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

/// A trigger that writes its own table, and two that write each other's.
#[test]
fn triggers_that_fire_each_other_are_followed_once() {
    let again = "BEGIN UPDATE notes SET number = 0 WHERE tenant_id = NEW.tenant_id AND id <> NEW.id; RETURN NULL; END";
    assert_eq!(why("notes", "AFTER UPDATE", "", again, NOTES[1]), None);
    let chain = |inner: &str| {
        let body = format!(
            "BEGIN UPDATE projects SET notes = 1 WHERE tenant_id = NEW.tenant_id; RETURN NULL; END $$;
             CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {inner}; RETURN NULL; END $$;
             CREATE TRIGGER back AFTER UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION back();
             CREATE FUNCTION unused() RETURNS int LANGUAGE sql AS $$ SELECT 1"
        );
        why("notes", "AFTER UPDATE", "", &body, NOTES[1])
    };
    assert_eq!(
        chain("UPDATE notes SET number = 1 WHERE tenant_id = NEW.tenant_id"),
        None
    );
    let found = chain("UPDATE notes SET number = 1 WHERE id = NEW.id").unwrap();
    assert!(
        found.contains("the trigger `back` of `projects`"),
        "{found}"
    );
    let found =
        chain("UPDATE notes SET number = 1 WHERE tenant_id = NEW.tenant_id; DELETE FROM audit")
            .unwrap();
    assert!(found.contains("DELETE FROM audit"), "{found}");
}

/// Each message names what is in the way and what to write instead.
#[test]
fn what_is_not_understood_is_told() {
    let cases = [
        (
            "#variable_conflict use_variable\nBEGIN RETURN NEW; END",
            "remove it",
        ),
        (
            "DECLARE tenant_id uuid; BEGIN DELETE FROM counters WHERE tenant_id = NEW.tenant_id; RETURN NEW; END",
            "give that another name",
        ),
        (
            "<<counters>> BEGIN DELETE FROM counters WHERE counters.tenant_id = NEW.tenant_id; RETURN NEW; END",
            "give that another name",
        ),
        (
            "BEGIN SELECT * INTO NEW FROM log; RETURN NEW; END",
            "assign columns of `NEW`",
        ),
        (
            "BEGIN FOR OLD IN SELECT * FROM log LOOP NULL; END LOOP; RETURN NEW; END",
            "assign columns of `NEW`",
        ),
        (
            "BEGIN NEW.tenant_id := gen_random_uuid(); RETURN NEW; END",
            "leave `NEW.tenant_id` as it is",
        ),
        (
            "DECLARE r record; BEGIN RETURN r; END",
            "write `RETURN NEW`",
        ),
        (
            "BEGIN INSERT INTO audit (tenant_id, what) VALUES (NEW.*, 'x'); RETURN NEW; END",
            "name the values",
        ),
        (
            "BEGIN IF EXISTS (SELECT 1 FROM audit WHERE row_id = NEW.id) THEN NULL; END IF; RETURN NEW; END",
            "the tenant of its rows",
        ),
        (
            "BEGIN SELECT max(n) INTO NEW.number FROM counters c JOIN audit a ON true WHERE c.tenant_id = NEW.tenant_id; RETURN NEW; END",
            "more than one table",
        ),
        (
            "BEGIN NEW.number := (SELECT (SELECT max(n) FROM counters) FROM audit WHERE tenant_id = NEW.tenant_id LIMIT 1); RETURN NEW; END",
            "the tenant of its rows",
        ),
        (
            "BEGIN DELETE FROM counters WHERE tenant_id = NEW.tenant_id AND 1 / n > 0; RETURN NEW; END",
            "into variables",
        ),
        (
            "BEGIN DELETE FROM counters AS new WHERE tenant_id = new.tenant_id; RETURN NEW; END",
            "give that another name",
        ),
    ];
    for (body, told) in cases {
        let found = why("notes", "BEFORE INSERT", "", body, NOTES[0]).unwrap_or_default();
        assert!(found.contains(told), "{body}\n{found}");
    }
    let drops = "BEGIN UPDATE counters SET n = 1 WHERE tenant_id = NEW.tenant_id; RETURN NULL; END";
    let found = why("docs", "BEFORE INSERT", "", drops, DOCS[0]).unwrap();
    assert!(found.contains("AFTER trigger"), "{found}");
    assert_eq!(why("docs", "AFTER INSERT", "", drops, DOCS[0]), None);
}
