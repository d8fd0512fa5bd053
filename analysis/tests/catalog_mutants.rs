//! What a mutated catalog let pass unnoticed: each assertion stands for a mutant of `MUTANTS.md`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::catalog_of;
use watertight_analysis::catalog::Command;
use watertight_analysis::{Catalog, Code, Config};

const POLICY: &str =
    "ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);";
const NOTES: &str = "CREATE TABLE notes (id bigint, tenant_id uuid NOT NULL, body text);";

fn class(catalog: &Catalog, name: &str) -> &'static str {
    let relation = catalog.relation(None, name).found().unwrap();
    catalog.class(relation, Command::Select).word()
}

fn built(text: &str) -> Catalog {
    catalog_of(&Config::default(), text)
}

#[test]
fn a_function_over_an_unfiltered_table_is_unprotected_and_not_merely_unknown() {
    for (condition, word, reason) in [
        ("", "unprotected", Some("scoped-table")),
        (
            " WHERE tenant_id = current_setting('app.tenant_id')::uuid",
            "protected",
            None,
        ),
    ] {
        let catalog = built(&format!(
            "{NOTES} CREATE FUNCTION f() RETURNS bigint LANGUAGE sql STABLE AS
             $$ SELECT count(*) FROM notes{condition} $$;"
        ));
        let found = catalog.call_class(catalog.functions(Some("public"), "f")[0]);
        assert_eq!((found.word(), found.reason()), (word, reason));
    }
}

#[test]
fn a_term_by_a_function_wants_every_name_known() {
    let after = format!(
        "CREATE FUNCTION tenant() RETURNS uuid LANGUAGE sql STABLE AS
         $$ SELECT current_setting('app.tenant_id')::uuid $$; {NOTES}
         ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON notes USING (tenant_id = tenant());"
    );
    assert_eq!(class(&built(&after), "notes"), "protected");
    // Whatever it was, it may have made another `tenant()` that comes first.
    let unread = "DO $$ BEGIN EXECUTE (SELECT a FROM b); END $$;";
    assert_ne!(
        class(&built(&format!("{unread}{after}")), "notes"),
        "protected"
    );
}

/// Whether a block after the protected table leaves it protected.
fn stays(block: &str) -> bool {
    class(&built(&format!("{NOTES}{POLICY} {block}")), "notes") == "protected"
}

/// Whether a block before the policy leaves the table with row-level security for certain.
fn enables(block: &str) -> bool {
    let catalog = built(&format!(
        "{NOTES} CREATE TABLE tasks (id bigint, tenant_id uuid NOT NULL); CREATE TABLE flags (name text);
         CREATE POLICY tenant ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
         ALTER TABLE notes FORCE ROW LEVEL SECURITY; {block}"
    ));
    class(&catalog, "notes") == "protected"
}

#[test]
fn only_what_certainly_runs_protects() {
    const ON: &str = "ALTER TABLE notes ENABLE ROW LEVEL SECURITY;";
    for block in [
        format!("DO $$ BEGIN {ON} END $$;"),
        format!("DO $$ BEGIN {ON} EXCEPTION WHEN OTHERS THEN RAISE; END $$;"),
        format!("DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['notes'] LOOP {ON} END LOOP; END $$;"),
        format!("DO $$ BEGIN {ON} ALTER TABLE notes FORCE ROW LEVEL SECURITY; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"),
        "DO $$ DECLARE t text := 'notes'; BEGIN EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); END $$;".to_owned(),
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
           EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', r.tablename); END LOOP; END $$;".to_owned(),
    ] {
        assert!(enables(&block), "{block}");
    }
    for block in [
        format!("DO $$ BEGIN IF EXISTS (SELECT 1 FROM flags) THEN RETURN; END IF; {ON} END $$;"),
        format!("DO $$ BEGIN {ON} EXCEPTION WHEN OTHERS THEN NULL; END $$;"),
        format!("DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['a'] LOOP EXIT WHEN EXISTS (SELECT 1 FROM flags); {ON} END LOOP; END $$;"),
        format!("DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['a'] LOOP CONTINUE WHEN EXISTS (SELECT 1 FROM flags); {ON} END LOOP; END $$;"),
        format!("DO $$ DECLARE t text; u text; BEGIN <<o>> FOREACH t IN ARRAY ARRAY['a'] LOOP FOREACH u IN ARRAY ARRAY['a'] LOOP IF EXISTS (SELECT 1 FROM flags) THEN EXIT o; END IF; END LOOP; {ON} END LOOP; END $$;"),
        format!("DO $$ BEGIN {ON} CREATE TABLE tasks (a int); EXCEPTION WHEN duplicate_table THEN NULL; END $$;"),
        format!("DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_policies WHERE policyname = 'tenant' LIMIT 0) THEN {ON} END IF; END $$;"),
        "DO $$ DECLARE t char(9) := 'notes'; BEGIN EXECUTE 'ALTER TABLE ' || t || ' ENABLE ROW LEVEL SECURITY'; END $$;".to_owned(),
        "DO $$ DECLARE t text; BEGIN SELECT name INTO t FROM flags; EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); END $$;".to_owned(),
    ] {
        assert!(!enables(&block), "{block}");
    }
}

#[test]
fn what_may_loosen_counts() {
    const OFF: &str = "ALTER TABLE notes DISABLE ROW LEVEL SECURITY;";
    for block in [
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_policies WHERE tablename = 'missing') THEN ALTER TABLE notes DISABLE ROW LEVEL SECURITY; END IF; END $$;",
        "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_policies WHERE policyname = 'old') THEN DROP POLICY old ON notes; END IF; END $$;",
        "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'notes' AND column_name = 'body') THEN ALTER TABLE notes ADD COLUMN body text; END IF; END $$;",
    ] {
        assert!(stays(block), "{block}");
    }
    for block in [
        format!("DO $$ BEGIN IF to_regclass('public.other') IS NULL THEN {OFF} END IF; END $$;"),
        format!("DO $$ BEGIN IF (SELECT count(*) FROM pg_policies WHERE tablename = 'missing') = 0 THEN {OFF} END IF; END $$;"),
        format!("CREATE TABLE users (id int); DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'auth' AND tablename = 'users') THEN {OFF} END IF; END $$;"),
        format!("DO $$ BEGIN IF EXISTS (SELECT 1 FROM unread) THEN CREATE TABLE other (a int); END IF;
                 IF NOT EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'other') THEN {OFF} END IF; END $$;"),
        format!("DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'auth') THEN {OFF} END IF; END $$;"),
        format!("CREATE FUNCTION off() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {OFF} END $$; SELECT off();"),
        format!("DO $$ BEGIN IF EXISTS (SELECT 1 FROM unread) THEN CREATE POLICY extra ON notes USING (false); END IF; END $$;
                 DO $$ BEGIN {OFF} CREATE POLICY extra ON notes USING (false); EXCEPTION WHEN duplicate_object THEN NULL; END $$;"),
        format!("CREATE TABLE tasks (id int); DO $$ BEGIN IF EXISTS (SELECT 1 FROM unread) THEN ALTER TABLE tasks ENABLE ROW LEVEL SECURITY; END IF;
                 IF EXISTS (SELECT 1 FROM pg_tables WHERE tablename = 'tasks' AND rowsecurity) THEN {OFF} END IF; END $$;"),
        "UPDATE pg_class SET relrowsecurity = false;".to_owned(),
        "WITH gone AS (DELETE FROM pg_catalog.pg_policy RETURNING 1) SELECT 1;".to_owned(),
    ] {
        assert!(!stays(&block), "{block}");
    }
}

#[test]
fn an_immutable_function_that_reads_is_not_proved() {
    for (volatility, word) in [("IMMUTABLE", "unknown"), ("STABLE", "protected")] {
        let catalog = built(&format!(
            "{NOTES}{POLICY} CREATE FUNCTION f() RETURNS bigint LANGUAGE sql {volatility} AS
             $$ SELECT count(*) FROM notes $$;"
        ));
        let found = catalog.call_class(catalog.functions(Some("public"), "f")[0]);
        assert_eq!(found.word(), word, "{volatility}");
    }
}

#[test]
fn policies_for_another_role_count_where_the_applications_is_never_named() {
    let policies = format!("{NOTES}{POLICY} CREATE POLICY w ON notes TO web USING (true);");
    let told = |catalog: &Catalog| {
        catalog
            .diagnostics()
            .iter()
            .any(|it| it.code == Code::CONFIG)
    };
    let catalog = built(&policies);
    assert!(class(&catalog, "notes") != "protected" && told(&catalog));
    let catalog = built(&format!("CREATE ROLE app; {policies}"));
    assert!(class(&catalog, "notes") == "protected" && !told(&catalog));
}
