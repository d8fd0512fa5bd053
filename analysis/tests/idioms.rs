//! Idioms of ordinary migrations that leave a protected table protected; and beside each the twin
//! that looks like it and takes the protection away, which is never believed.

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

const NOTES: &str = "
CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text CHECK (length(body) < 9));
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
";
const OFF: &str = "LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE notes DISABLE ROW LEVEL SECURITY;";

fn build(config: &Config, files: &[&str]) -> Catalog {
    let files = files
        .iter()
        .enumerate()
        .map(|(index, text)| SourceFile {
            path: format!("{index}_a.sql"),
            text: (*text).to_owned(),
        })
        .collect();
    Catalog::build(config, &order(files).unwrap())
}

fn class(catalog: &Catalog, command: Command) -> &'static str {
    let relation = catalog.relation(None, "notes").found().unwrap();
    catalog.class(relation, command).word()
}

fn proved(catalog: &Catalog, sql: &str) -> bool {
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config()).unwrap();
    prove(catalog, &prepared).is_ok()
}

#[test]
fn idioms_keep_what_is_protected() {
    for idiom in [
        // A constraint whose name only the server knows.
        "DO $$ DECLARE c text; BEGIN
           SELECT conname INTO c FROM pg_constraint WHERE conrelid = 'notes'::regclass AND contype = 'c';
           EXECUTE format('ALTER TABLE notes DROP CONSTRAINT %I', c); END $$;",
        "DO $$ DECLARE r record; BEGIN
           FOR r IN SELECT indexname FROM pg_indexes WHERE tablename = 'notes' LOOP
             EXECUTE 'DROP INDEX IF EXISTS ' || quote_ident(r.indexname); END LOOP; END $$;",
        // Functions of platforms that touch nothing of the migrations'.
        "SELECT cron.schedule('purge', '0 3 * * *', $$DELETE FROM notes WHERE body = 'old'$$);",
        "SELECT cron.unschedule('purge');",
        "SELECT cron.schedule('0 3 * * *', 'VACUUM notes');",
        "SELECT net.http_post(url := 'https://example.com', body := '{}'::jsonb);",
        "SELECT pgmq.create('jobs');",
        "SELECT vault.create_secret('s', 'name');",
        "CREATE TABLE metrics (tenant_id uuid, at timestamptz); SELECT create_hypertable('metrics', 'at');",
        // Readers of a setting.
        "SELECT auth.uid();",
        "ALTER TABLE notes ADD COLUMN by uuid DEFAULT auth.uid(); ALTER TABLE notes ADD CHECK (body <> ''); CREATE INDEX ON notes ((body || auth.role()));",
        "CREATE POLICY known ON notes AS RESTRICTIVE USING (auth.uid() IS NOT NULL);",
        // Extensions and commands that change no table.
        "CREATE EXTENSION pgcrypto; ALTER EXTENSION pgcrypto UPDATE;",
        "EXPLAIN SELECT id FROM notes;",
        "CLUSTER notes USING notes_pkey;",
        "DO $$ DECLARE n int; BEGIN LOOP
           UPDATE notes SET body = 'x' WHERE id IN (SELECT id FROM notes WHERE body IS NULL LIMIT 1000);
           GET DIAGNOSTICS n = ROW_COUNT; EXIT WHEN n = 0; COMMIT; END LOOP; END $$;",
        "CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM notes WHERE body IS NULL; END $$; CALL tidy();",
        "CREATE FUNCTION pgrst_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
         CREATE EVENT TRIGGER pgrst_watch ON ddl_command_end EXECUTE FUNCTION pgrst_watch();
         ALTER TABLE notes ADD COLUMN title text;",
    ] {
        let catalog = build(&Config::default(), &[NOTES, idiom]);
        let told = catalog.diagnostics();
        assert_eq!(class(&catalog, Command::Select), "protected", "{idiom}\n{told:?}");
        assert!(catalog.unknown_names().is_none(), "{idiom}\n{told:?}");
        assert!(proved(&catalog, "SELECT lower(body) FROM notes"), "{idiom}");
    }
}

#[test]
fn their_dangerous_twins_are_not_believed() {
    let off = |what: &str| format!("CREATE {what} {OFF} END $$;");
    for twin in [
        // The hole is the table's name, and the action loosens.
        "DO $$ DECLARE c text; BEGIN SELECT relname INTO c FROM pg_class WHERE relname ~ 'n';
           EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', c); END $$;".to_owned(),
        "DO $$ DECLARE c text; BEGIN SELECT conname INTO c FROM pg_constraint WHERE contype = 'c';
           EXECUTE format('ALTER TABLE notes DROP CONSTRAINT %I, NO FORCE ROW LEVEL SECURITY', c); END $$;".to_owned(),
        // The job changes tables: itself, by a function, by one that gets its body later.
        "SELECT cron.schedule('x', '0 3 * * *', $$ALTER TABLE notes DISABLE ROW LEVEL SECURITY$$);".to_owned(),
        off("FUNCTION f() RETURNS void") + "SELECT cron.schedule('x', '0 3 * * *', 'SELECT f()');",
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS ''; SELECT cron.schedule('x', '0 3 * * *', 'SELECT f()');
                 CREATE OR REPLACE FUNCTION f() RETURNS void {OFF} END $$;"),
        "SELECT cron.schedule('x', '0 3 * * *', (SELECT body FROM notes LIMIT 1));".to_owned(),
        "SELECT cron.schedule('x', '0 3 * * *', $$SELECT cron.schedule('y', '0 3 * * *', 'DROP POLICY iso ON notes')$$);".to_owned(),
        // Functions of the migrations' own under a platform's name.
        format!("CREATE SCHEMA net; CREATE FUNCTION net.http_post(url text) RETURNS int {OFF} RETURN 1; END $$; SELECT net.http_post('x');"),
        format!("CREATE FUNCTION create_hypertable(t text) RETURNS int {OFF} RETURN 1; END $$; CREATE TABLE m (at date); SELECT create_hypertable('m');"),
        format!("CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid {OFF} RETURN null; END $$; SELECT auth.uid();"),
        format!("CREATE SCHEMA auth; CREATE FUNCTION auth.uid() RETURNS uuid {OFF} RETURN null; END $$; ALTER TABLE notes ADD COLUMN by uuid DEFAULT auth.uid();"),
        // The table that it is given.
        "SELECT create_hypertable('public.notes', 'at');".to_owned(),
        "CREATE TABLE tags (note_id uuid REFERENCES notes (id)); SELECT create_distributed_table('tags', 'note_id');".to_owned(),
        // A member of an extension goes with it.
        "CREATE EXTENSION hstore; ALTER EXTENSION hstore ADD TABLE notes; DROP EXTENSION hstore;".to_owned(),
        off("FUNCTION f() RETURNS int").replace("END", "RETURN 1; END") + "EXPLAIN ANALYZE SELECT f();",
        off("PROCEDURE p()") + "CALL p();",
        "CALL platform.tidy();".to_owned(),
        "DO $$ BEGIN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; COMMIT; ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ROLLBACK; END $$;".to_owned(),
        "SET LOCAL search_path = other; DO $$ BEGIN COMMIT; ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END $$;".to_owned(),
        // The function of an event trigger, before and after it gets another name and body.
        off("FUNCTION f() RETURNS event_trigger") + "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f(); CREATE TABLE t (id int);",
        off("FUNCTION f() RETURNS event_trigger") + "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();
           ALTER FUNCTION f() RENAME TO g; CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE TABLE t (id int);",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION other.f();".to_owned(),
    ] {
        let catalog = build(&Config::default(), &[NOTES, &twin]);
        assert_ne!(class(&catalog, Command::Select), "protected", "{twin}");
        assert!(!proved(&catalog, "SELECT id FROM notes"), "{twin}");
    }
}

/// An event trigger acts on tables that come after it, under the name that they have then.
#[test]
fn an_event_trigger_reaches_later_tables() {
    let trigger = format!(
        "CREATE FUNCTION f() RETURNS event_trigger {} END $$;
         CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();",
        OFF.replace("ALTER TABLE notes", "ALTER TABLE IF EXISTS fresh")
    );
    let renamed = NOTES.replace("notes", "fresh") + "ALTER TABLE fresh RENAME TO notes;";
    let catalog = build(&Config::default(), &[&trigger, &renamed]);
    assert_ne!(class(&catalog, Command::Select), "protected");
}

/// A trigger function of a platform is refused until the configuration allows it by its own name.
#[test]
fn a_platforms_trigger_function_can_be_allowed() {
    let hook = "CREATE TRIGGER hook AFTER INSERT ON notes FOR EACH ROW
                EXECUTE FUNCTION supabase_functions.http_request('https://example.com');";
    let allowing = |name: &str| {
        Config::parse(&format!(
            "functions = [{{ name = \"{name}\", reason = \"it posts the row\" }}]"
        ))
        .unwrap()
    };
    for (config, hook, expected) in [
        (Config::default(), hook.to_owned(), "unknown"),
        (
            allowing("supabase_functions.http_request"),
            hook.to_owned(),
            "protected",
        ),
        (allowing("other.http_request"), hook.to_owned(), "unknown"),
        // Not the migrations' own of that name, elsewhere.
        (
            allowing("supabase_functions.http_request"),
            format!(
                "CREATE FUNCTION http_request() RETURNS trigger {OFF} RETURN NEW; END $$; {hook}"
            ),
            "unknown",
        ),
    ] {
        let catalog = build(&config, &[NOTES, &hook]);
        assert_eq!(class(&catalog, Command::Insert), expected, "{hook}");
    }
}

/// What a constraint said is not relied on once it may have gone: two rows may share an id.
#[test]
fn a_key_that_may_have_gone_counts_as_one_of_a_part() {
    let block = "DO $$ DECLARE c text; BEGIN
        SELECT conname INTO c FROM pg_constraint WHERE conrelid = 'notes'::regclass;
        EXECUTE format('ALTER TABLE notes DROP CONSTRAINT %I', c); END $$;";
    for (files, partial) in [(&[NOTES][..], false), (&[NOTES, block], true)] {
        let catalog = build(&Config::default(), files);
        let notes = catalog.relation(None, "notes").found().unwrap();
        assert_eq!(notes.keys.len(), 1);
        assert_eq!(notes.keys[0].partial, partial);
    }
}

/// An `IMMUTABLE` function is computed once for a cached plan, whoever asks next.
#[test]
fn an_immutable_reader_of_a_setting_is_not_confined() {
    for (volatility, expected) in [("STABLE", true), ("IMMUTABLE", false)] {
        let function = format!(
            "CREATE FUNCTION me() RETURNS uuid LANGUAGE sql {volatility} AS 'SELECT auth.uid()';"
        );
        let catalog = build(&Config::default(), &[&function]);
        let function = &catalog.all_functions()[0];
        let word = catalog.call_class(function).word();
        assert_eq!(word == "protected", expected, "{volatility}: {word}");
    }
}
