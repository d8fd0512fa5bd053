//! `DO` blocks of ordinary migrations: understood to the letter where the model can answer, and
//! never a reason to believe in protection that may not be there.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use watertight_analysis::catalog::Command;
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove};

const TABLES: &str = "
CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text);
CREATE TABLE tasks (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, note_id uuid, body text);
";
const ENABLE: &str = "
ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY; ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
";
const POLICY: &str = "
CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
CREATE POLICY iso ON tasks USING (tenant_id = current_setting('app.tenant_id')::uuid);
";

fn build(files: &[&str]) -> Catalog {
    let files = files
        .iter()
        .enumerate()
        .map(|(index, text)| SourceFile {
            path: format!("{index}_a.sql"),
            text: (*text).to_owned(),
        })
        .collect();
    Catalog::build(&Config::default(), &order(files).unwrap())
}

fn class(catalog: &Catalog, table: &str) -> &'static str {
    let relation = catalog.relation(None, table).found().unwrap();
    catalog.class(relation, Command::Select).word()
}

fn proved(catalog: &Catalog, sql: &str) -> bool {
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config()).unwrap();
    prove(catalog, &prepared).is_ok()
}

/// Blocks that leave two protected tables protected, and names trusted.
#[test]
fn harmless_blocks_stay_harmless() {
    for block in [
        "DO $$ BEGIN CREATE TYPE state AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN null; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'state') THEN CREATE TYPE state AS ENUM ('a'); END IF; END $$;",
        "DO $$ BEGIN ALTER TABLE \"tasks\" ADD CONSTRAINT \"fk\" FOREIGN KEY (\"note_id\") REFERENCES \"public\".\"notes\"(\"id\") ON DELETE no action ON UPDATE no action; EXCEPTION WHEN duplicate_object THEN null; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app LOGIN; END IF; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pgcrypto') THEN CREATE EXTENSION pgcrypto; END IF; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'notes' AND column_name = 'title') THEN ALTER TABLE notes ADD COLUMN title text; END IF; END $$;",
        "DO $$ BEGIN ALTER TABLE notes ADD COLUMN title text; EXCEPTION WHEN duplicate_column THEN RAISE NOTICE 'there'; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'len') THEN ALTER TABLE notes ADD CONSTRAINT len CHECK (length(body) < 9); END IF; END $$;",
        "DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['notes', 'tasks'] LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE 'ALTER TABLE ' || quote_ident(r.tablename) || ' ENABLE ROW LEVEL SECURITY'; END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT nspname FROM pg_namespace WHERE nspname ~ 'x' LOOP EXECUTE format('GRANT USAGE ON SCHEMA %I TO app', r.nspname); END LOOP; END $$;",
        "DO $$ BEGIN IF to_regclass('public.notes') IS NULL THEN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END IF; END $$;",
        "DO $$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN EXECUTE 'ALTER TABLE notes ENABLE ROW LEVEL SECURITY'; END IF; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_policies WHERE tablename = 'notes' AND policyname = 'iso') THEN CREATE POLICY iso ON notes USING (true); END IF; END $$;",
        "DO $$ BEGIN CREATE POLICY iso ON notes USING (true); EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        "DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO app', current_database()); END $$;",
        "DO $$ BEGIN ALTER PUBLICATION supabase_realtime ADD TABLE notes; EXCEPTION WHEN others THEN NULL; END $$;",
    ] {
        let catalog = build(&[TABLES, ENABLE, POLICY, block]);
        let told = catalog.diagnostics();
        assert_eq!(class(&catalog, "notes"), "protected", "{block}\n{told:?}");
        assert_eq!(class(&catalog, "tasks"), "protected", "{block}\n{told:?}");
        assert!(catalog.unknown_names().is_none(), "{block}");
        assert!(proved(&catalog, "SELECT lower(body) FROM notes"), "{block}");
    }
}

/// Blocks that protect two tables which nothing else protects.
#[test]
fn blocks_that_protect_are_understood() {
    let policy =
        "CREATE POLICY iso ON %1$I USING (tenant_id = current_setting(''app.tenant_id'')::uuid)";
    for block in [
        format!(
            "DO $$ DECLARE t text; tables text[] := ARRAY['notes', 'tasks']; BEGIN
               FOREACH t IN ARRAY tables LOOP
                 EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
                 EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
                 EXECUTE format('DROP POLICY IF EXISTS %I ON %I', 'iso', t);
                 EXECUTE format('{policy}', t);
               END LOOP; END $$;"
        ),
        format!(
            "DO $$ DECLARE t record; BEGIN
               FOR t IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' LOOP
                 EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', t.table_name);
                 EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', t.table_name);
                 IF NOT EXISTS (SELECT 1 FROM pg_policies WHERE schemaname = 'public' AND tablename = t.table_name AND policyname = 'iso') THEN
                   EXECUTE format('{policy}', t.table_name);
                 END IF;
               END LOOP; END $$;"
        ),
        format!(
            "DO $$ DECLARE t text; BEGIN
               FOR t IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> 'other' LOOP
                 EXECUTE 'ALTER TABLE ' || quote_ident(t) || ' ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY';
                 EXECUTE format('{policy}', t);
               END LOOP; END $$;"
        ),
        format!(
            "DO $$ DECLARE t text; BEGIN
               FOR t IN SELECT unnest(ARRAY['notes', 'tasks']) LOOP
                 EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
                 EXECUTE format('{policy}', t);
               END LOOP; END $$;"
        ),
        format!("DO $$ BEGIN{ENABLE}{POLICY}END $$;"),
    ] {
        let catalog = build(&[TABLES, &block]);
        let told = catalog.diagnostics();
        assert_eq!(class(&catalog, "notes"), "protected", "{block}\n{told:?}");
        assert_eq!(class(&catalog, "tasks"), "protected", "{block}\n{told:?}");
    }
}

/// Blocks after which nobody should believe that `notes` is protected.
#[test]
fn blocks_that_may_loosen_are_not_believed() {
    for block in [
        "DO $$ BEGIN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END $$;",
        "DO $$ BEGIN IF now() > '2020-01-01' THEN ALTER TABLE notes NO FORCE ROW LEVEL SECURITY; END IF; END $$;",
        "DO $$ DECLARE t text := 'no'; BEGIN EXECUTE 'ALTER TABLE ' || t || 'tes DISABLE ROW LEVEL SECURITY'; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT x FROM list LOOP EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', r.x); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables LOOP EXECUTE format('CREATE POLICY w ON %I USING (true)', r.tablename); END LOOP; END $$;",
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT x FROM list LOOP EXECUTE format('CREATE POLICY %I ON %I USING (true)', r.x, r.x); END LOOP; END $$;",
        "DO $$ BEGIN DROP POLICY iso ON notes; CREATE POLICY w ON notes USING (true); EXCEPTION WHEN undefined_object THEN NULL; END $$;",
        "DO $$ BEGIN BEGIN CREATE POLICY w ON notes USING (true); EXCEPTION WHEN OTHERS THEN NULL; END; END $$;",
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_policies WHERE tablename = 'notes') THEN CREATE POLICY w ON notes USING (true); END IF; END $$;",
        "DO $$ BEGIN CREATE TYPE state AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END $$;",
        "DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM notes; WHILE n > 0 LOOP EXECUTE 'ALTER TABLE notes DISABLE ROW LEVEL SECURITY'; n := 0; END LOOP; END $$;",
        "DO $$ DECLARE t text := 'tasks'; BEGIN IF now() > '2020-01-01' THEN t := 'notes'; END IF; EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t); END $$;",
        "DO $$ DECLARE t text := 'tasks'; BEGIN SELECT 'notes' INTO t; EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t); END $$;",
        "DO $$ DECLARE t text := 'tasks'; BEGIN EXECUTE 'SELECT ''notes''' INTO t; EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t); END $$;",
        "DO $$ BEGIN RETURN; END $$; DO $$ BEGIN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END $$;",
        "DO $$ DECLARE \"end\" text; BEGIN \"end\" := 'x'; ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END $$;",
        "DO $$ BEGIN CASE WHEN now() > '2020-01-01' THEN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; ELSE NULL; END CASE; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'users') THEN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END IF; END $$;",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', 'notes'::regclass); END $$;",
        "DO $$ BEGIN PERFORM set_config('search_path', 'other', false); END $$;",
    ] {
        let catalog = build(&[TABLES, ENABLE, POLICY, "CREATE TABLE list (x text);", block]);
        assert_ne!(class(&catalog, "notes"), "protected", "{block}");
    }
}

/// A block that may protect does not protect.
#[test]
fn blocks_that_may_protect_are_not_believed() {
    let both =
        "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;";
    for block in [
        format!("DO $$ BEGIN IF now() > '2020-01-01' THEN {both} END IF; END $$;"),
        format!("DO $$ BEGIN {both} EXCEPTION WHEN OTHERS THEN NULL; END $$;"),
        format!("DO $$ BEGIN IF now() > '2020-01-01' THEN RETURN; END IF; {both} END $$;"),
        format!("DO $$ BEGIN RETURN; {both} END $$;"),
        format!("DO $$ BEGIN CREATE TABLE tasks (id int); {both} EXCEPTION WHEN duplicate_table THEN NULL; END $$;"),
        format!("DO $$ BEGIN {both} CREATE TABLE tasks (id int); EXCEPTION WHEN duplicate_table THEN NULL; END $$;"),
        format!("DO $$ BEGIN LOOP EXIT; {both} END LOOP; END $$;"),
        format!("DO $$ BEGIN FOR i IN 1..0 LOOP {both} END LOOP; END $$;"),
        format!("DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = 'notes') THEN {both} END IF; END $$;"),
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {both} END $$;"),
        format!("CREATE FUNCTION f(b boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN IF b THEN {both} END IF; END $$; SELECT f(false);"),
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'other' LOOP EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', r.tablename); END LOOP; END $$;".to_owned(),
    ] {
        let catalog = build(&[TABLES, POLICY, &block]);
        assert_ne!(class(&catalog, "notes"), "protected", "{block}");
    }
}

/// What a block may add to a write belongs to the write.
#[test]
fn keys_of_blocks_are_followed() {
    let tables =
        "CREATE TABLE b (tenant_id uuid NOT NULL, id int PRIMARY KEY, UNIQUE (tenant_id, id));
        CREATE TABLE c (id int, tenant_id uuid NOT NULL, b_id int);";
    let delete = "DELETE FROM b WHERE tenant_id = $tenant";
    assert!(proved(&build(&[tables]), delete));
    for (key, safe) in [
        (
            "FOREIGN KEY (b_id) REFERENCES b (id) ON DELETE CASCADE",
            false,
        ),
        (
            "FOREIGN KEY (tenant_id, b_id) REFERENCES b (tenant_id, id) ON DELETE CASCADE",
            true,
        ),
    ] {
        for block in [
            format!(
                "DO $$ BEGIN ALTER TABLE c ADD CONSTRAINT fk {key}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            ),
            format!(
                "DO $$ BEGIN ALTER TABLE c ADD CONSTRAINT fk {key}; EXCEPTION WHEN OTHERS THEN NULL; END $$;"
            ),
            format!(
                "DO $$ BEGIN IF now() > '2020-01-01' THEN ALTER TABLE c ADD {key}; END IF; END $$;"
            ),
            format!(
                "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'fk') THEN ALTER TABLE c ADD CONSTRAINT fk {key}; END IF; END $$;"
            ),
        ] {
            assert_eq!(proved(&build(&[tables, &block]), delete), safe, "{block}");
        }
    }
}

/// What a block calls is followed, wherever it stands.
#[test]
fn calls_in_blocks_are_followed() {
    let off = "CREATE FUNCTION off() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; RETURN true; END $$;";
    for block in [
        "LOOP EXIT WHEN off(); END LOOP;",
        "FOR i IN 1..2 LOOP CONTINUE WHEN off(); END LOOP;",
        "PERFORM off();",
        "ASSERT off();",
        "RAISE NOTICE '%', off();",
        "RAISE EXCEPTION 'x' USING detail = off()::text;",
        "EXECUTE format('GRANT SELECT ON %I TO app', off()::text);",
        "EXECUTE 'SELECT $1' USING off();",
        "FOR r IN SELECT off() LOOP NULL; END LOOP;",
        "IF false THEN PERFORM off(); END IF; IF off() THEN NULL; END IF;",
        "CASE WHEN off() THEN NULL; ELSE NULL; END CASE;",
        "get := off();",
        "SELECT off() INTO get;",
    ] {
        let block = format!("DO $$ DECLARE r record; get boolean; BEGIN {block} END $$;");
        let catalog = build(&[TABLES, ENABLE, POLICY, off, &block]);
        assert_ne!(class(&catalog, "notes"), "protected", "{block}");
    }
    let declared = "DO $$ DECLARE x boolean := off(); BEGIN NULL; END $$;";
    assert_ne!(
        class(&build(&[TABLES, ENABLE, POLICY, off, declared]), "notes"),
        "protected"
    );
}
