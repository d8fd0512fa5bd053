//! What a person reads of a relation that the migrations leave unknown: the cause, and a way out.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, TenantBinding, prepare, prove, render};

const NOTES: &str = "
CREATE TABLE notes (id uuid PRIMARY KEY, tenant_id uuid NOT NULL, body text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON notes USING (tenant_id = current_setting('app.tenant_id')::uuid);
";

/// The refusals of a statement, as they are printed.
fn refusal(migrations: &[&str], sql: &str) -> String {
    let files = migrations
        .iter()
        .enumerate()
        .map(|(index, text)| SourceFile {
            path: format!("{}_a.sql", index + 1),
            text: (*text).to_owned(),
        })
        .collect();
    let catalog = Catalog::build(&Config::default(), &order(files).unwrap());
    let prepared = prepare(sql, TenantBinding::LastParameter, catalog.config()).unwrap();
    let problems = prove(&catalog, &prepared).unwrap_err();
    let rendered: Vec<String> = problems
        .iter()
        .map(|problem| render(problem, sql))
        .collect();
    rendered.join("\n")
}

/// Each cause, with what its refusal has to say: the cause itself and what to write instead.
#[test]
fn every_unknown_state_has_a_way_out() {
    for (migration, sql, said) in [
        (
            "SECURITY LABEL ON TABLE notes IS 'x'; ALTER EXTENSION hstore ADD TABLE notes;",
            "SELECT id FROM notes",
            &["ALTER EXTENSION hstore ADD TABLE", "-- @touches nothing"][..],
        ),
        (
            "DO $$ BEGIN IF EXISTS (SELECT 1 FROM notes) THEN ALTER TABLE notes ALTER body TYPE varchar; END IF; END $$;",
            "SELECT id FROM notes",
            &[
                "`ALTER TABLE notes ALTER body TYPE varchar`",
                "whether `EXISTS (SELECT 1 FROM notes)` holds depends on data",
                "not in a block",
                "-- @touches nothing",
            ],
        ),
        (
            "DROP POLICY other ON notes;",
            "SELECT id FROM notes",
            &["no migration creates it", "DROP POLICY IF EXISTS"],
        ),
        (
            "CREATE VIEW v AS SELECT id FROM notes; DROP TABLE notes;",
            "SELECT id FROM v",
            &[
                "the view `v`",
                "what it reads is dropped (2_a.sql line 1)",
                "create it again",
            ],
        ),
        (
            "CREATE TABLE docs (tenant_id char(9), body text);",
            "SELECT body FROM docs",
            &[
                "its `tenant_id` can't serve as tenant column",
                "character(9)",
                "TYPE uuid",
            ],
        ),
        (
            "CREATE TRIGGER au AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION hooks.send();",
            "INSERT INTO notes (id, tenant_id) VALUES ($id, $tenant)",
            &["`hooks.send`", "name = \"hooks.send\""],
        ),
        (
            "SELECT tools.rebuild();",
            "SELECT id FROM notes",
            &["a call of `tools.rebuild`", "-- @touches nothing"],
        ),
    ] {
        let told = refusal(&[NOTES, migration], sql);
        assert!(told.contains("help: "), "{migration}\n{told}");
        for part in said {
            assert!(told.contains(part), "`{part}` of {migration}\n{told}");
        }
        for word in ["tenant-column-type", "definer-view", "scoped-table"] {
            assert!(!told.contains(word), "{told}");
        }
    }
}

/// Tables of the tools that migrate are nobody's: a loop over all tables says nothing of them.
#[test]
fn a_loop_over_all_tables_says_nothing_of_those_of_tools() {
    let block = "DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
          EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        END LOOP; END $$;";
    let files = [NOTES, block].into_iter().enumerate();
    let files = files.map(|(index, text)| SourceFile {
        path: format!("{index}_a.sql"),
        text: text.to_owned(),
    });
    let catalog = Catalog::build(&Config::default(), &order(files.collect()).unwrap());
    assert_eq!(catalog.diagnostics(), &[]);
}

/// While the application's role is named nowhere, the server may connect as one that no policy holds for.
#[test]
fn a_role_above_row_level_security_is_told_of() {
    let warned = |roles: &str| {
        let text = format!("{NOTES}{roles}");
        let path = "1_a.sql".to_owned();
        let migrations = order(vec![SourceFile { path, text }]).unwrap();
        let catalog = Catalog::build(&Config::default(), &migrations);
        let told = catalog.diagnostics().iter();
        told.filter(|told| told.message.contains("`web` bypasses row-level security"))
            .count()
    };
    assert_eq!(warned("CREATE ROLE web LOGIN BYPASSRLS;"), 1);
    assert_eq!(warned("CREATE ROLE web LOGIN;"), 0);
    assert_eq!(
        warned("CREATE ROLE web BYPASSRLS; CREATE ROLE app LOGIN;"),
        0
    );
}
