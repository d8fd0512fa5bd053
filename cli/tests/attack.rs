//! `attack` on a real PostgreSQL: what leaks is shown by the attack that is named here, and on schemas
//! that are right everything holds.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "database")]

#[path = "doctor/clean.rs"]
mod clean;
mod common;
#[path = "doctor/flaws.rs"]
mod flaws;

use std::collections::BTreeSet;

use common::{Folder, run, stderr, stdout};
use flaws::{BASE, flaws};
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use watertight_devdb::{Database, DevDb};

fn attack(folder: &Folder, database: &Database, more: &[&str]) -> std::process::Output {
    let mut args = vec!["attack", database.admin_url(), "--role", "app"];
    args.extend(more);
    run(&folder.0, &args, "")
}

/// The attacks that leaked, with the object.
fn leaked(output: &std::process::Output) -> BTreeSet<(String, String)> {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)));
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&finding["subject"]), text(&finding["place"]["name"]))
        })
        .collect()
}

async fn server() -> (DevDb, Database) {
    let devdb = DevDb::start().await.unwrap();
    let base = devdb.database().await.unwrap();
    base.execute_as_admin("CREATE ROLE app_by LOGIN BYPASSRLS")
        .await
        .unwrap();
    base.execute_as_admin(BASE).await.unwrap();
    (devdb, base)
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

async fn databases(devdb: &DevDb) -> i64 {
    let mut connection = PgConnection::connect(devdb.admin_url()).await.unwrap();
    let row =
        sqlx::query("SELECT count(*) FROM pg_database WHERE datname LIKE 'watertight_attack%'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    row.get(0)
}

#[test]
fn every_attack_shows_what_it_is_for_and_nothing_leaks_where_all_is_right() {
    block_on(async {
        let (devdb, base) = server().await;
        let folder = Folder::new("attack");
        let mut problems = Vec::new();
        let clean = attack(&folder, &base, &["--format", "json"]);
        assert!(
            clean.status.success(),
            "{}{}",
            stdout(&clean),
            stderr(&clean)
        );
        let only = std::env::var("FLAW").ok();
        for flaw in flaws() {
            // What an attack shows is data, too.
            assert!(flaw.leaks.is_empty() == flaw.holds.is_some(), "{}", flaw.id);
            if only.as_ref().is_some_and(|only| !flaw.id.starts_with(only)) {
                continue;
            }
            let database = devdb.copy_of(&base).await.unwrap();
            database.execute_as_admin(&flaw.setup).await.unwrap();
            let output = attack(&folder, &database, &["--format", "json"]);
            let found = leaked(&output);
            for leak in &flaw.leaks {
                if !found.contains(leak) {
                    problems.push(format!("{}: {leak:?} held: {found:?}", flaw.id));
                }
            }
            if flaw.leaks.is_empty() && !found.is_empty() {
                problems.push(format!("{}: leaked all the same: {found:?}", flaw.id));
            }
            if !flaw.undo.is_empty() {
                database.execute_as_admin(&flaw.undo).await.unwrap();
            }
            // A role's default is the server's, and not what the twins of these are about.
            let Some(twin) = &flaw.twin else { continue };
            let database = devdb.copy_of(&base).await.unwrap();
            database.execute_as_admin(twin).await.unwrap();
            let found = leaked(&attack(&folder, &database, &["--format", "json"]));
            if !found.is_empty() {
                problems.push(format!("{}: the twin leaked: {found:?}", flaw.id));
            }
            if !flaw.undo.is_empty() {
                database.execute_as_admin(&flaw.undo).await.unwrap();
            }
        }
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
        assert_eq!(databases(&devdb).await, 0);
    });
}

#[test]
fn schemas_that_are_right_hold() {
    block_on(async {
        let devdb = DevDb::start().await.unwrap();
        let folder = Folder::new("attack-right");
        let mut problems = Vec::new();
        for (name, sql) in clean::schemas() {
            let database = devdb.database().await.unwrap();
            database.execute_as_owner(&sql).await.unwrap();
            for mode in ["--create", "--in-place"] {
                let output = attack(&folder, &database, &[mode, "--format", "json"]);
                let found = leaked(&output);
                if !found.is_empty() {
                    problems.push(format!("{name} {mode}: {found:?}\n{}", stdout(&output)));
                }
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                for one in report["not_applicable"].as_array().unwrap() {
                    let reason = one["reason"].as_str().unwrap();
                    if reason.starts_with("no rows of two tenants") {
                        problems.push(format!("{name} {mode}: {one}"));
                    }
                }
            }
        }
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    });
}

#[test]
fn in_place_nothing_stays_and_nobody_is_disturbed() {
    block_on(async {
        let (devdb, base) = server().await;
        let folder = Folder::new("attack-in-place");
        let database = devdb.copy_of(&base).await.unwrap();
        database
            .execute_as_admin("ALTER TABLE invoices DISABLE ROW LEVEL SECURITY")
            .await
            .unwrap();
        let output = attack(&folder, &database, &["--in-place", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1));
        let found = leaked(&output);
        assert!(
            found.contains(&("read".to_owned(), "public.invoices".to_owned())),
            "{found:?}"
        );
        assert!(
            found.contains(&("delete-by-id".to_owned(), "public.invoices".to_owned())),
            "{found:?}"
        );
        // Rows of real tenants are never shown.
        assert!(!stdout(&output).contains("B-note") && !stdout(&output).contains("B-secret"));
        let mut other = PgConnection::connect(database.admin_url()).await.unwrap();
        let row = sqlx::query("SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM customers), (SELECT sum(amount) FROM invoices)")
            .fetch_one(&mut other)
            .await
            .unwrap();
        let counts: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(counts, (4, 4, 3030));
        // Somebody else is connected now.
        let output = attack(&folder, &database, &["--in-place"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--force"), "{}", stderr(&output));
        let output = attack(&folder, &database, &["--in-place", "--force"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        other.close().await.unwrap();
        assert_eq!(databases(&devdb).await, 0);
    });
}

#[test]
fn tables_with_references_checks_and_a_registry_are_filled() {
    const SHOP: &str = "CREATE TYPE state AS ENUM ('new', 'done');
        CREATE DOMAIN slug AS text CHECK (VALUE ~ '^[a-z0-9-]+$');
        CREATE TABLE tenants(id uuid PRIMARY KEY, name text NOT NULL);
        COMMENT ON TABLE tenants IS '@tenant id';
        CREATE TABLE countries(code char(2) PRIMARY KEY, name text NOT NULL);
        COMMENT ON TABLE countries IS '@global countries';
        CREATE TABLE people(id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES tenants, short slug NOT NULL,
            country char(2) NOT NULL REFERENCES countries, kind text NOT NULL CHECK (kind IN ('buyer', 'seller')), state state NOT NULL,
            born date NOT NULL, tags text[] NOT NULL, extra jsonb NOT NULL, age int CHECK (age BETWEEN 0 AND 150), UNIQUE (tenant_id, id));
        CREATE TABLE orders(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL, person uuid NOT NULL, parent bigint REFERENCES orders,
            total numeric(10, 2) NOT NULL CHECK (total > 0), FOREIGN KEY (tenant_id, person) REFERENCES people(tenant_id, id));
        ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
        ALTER TABLE people ENABLE ROW LEVEL SECURITY; ALTER TABLE people FORCE ROW LEVEL SECURITY;
        ALTER TABLE orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders FORCE ROW LEVEL SECURITY;
        CREATE POLICY t ON tenants USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
        CREATE POLICY t ON people USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
        CREATE POLICY t ON orders USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
        GRANT SELECT ON tenants, countries TO app; GRANT SELECT, INSERT, UPDATE, DELETE ON people, orders TO app;";
    block_on(async {
        let devdb = DevDb::start().await.unwrap();
        let database = devdb.database().await.unwrap();
        database.execute_as_owner(SHOP).await.unwrap();
        let folder = Folder::new("attack-shop");
        for mode in ["--create", "--in-place"] {
            let output = attack(&folder, &database, &[mode, "--format", "json"]);
            assert!(
                output.status.success(),
                "{}{}",
                stdout(&output),
                stderr(&output)
            );
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            let unfilled: Vec<&Value> = report["not_applicable"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|it| {
                    it["reason"]
                        .as_str()
                        .unwrap()
                        .contains("no rows of two tenants")
                })
                .collect();
            assert!(unfilled.is_empty(), "{unfilled:#?}");
            let held = report["clear"].as_array().unwrap().iter();
            let held: Vec<&str> = held.map(|it| it["reason"].as_str().unwrap()).collect();
            let reading = held
                .iter()
                .find(|line| line.starts_with("reading the other tenant's rows"))
                .unwrap();
            for table in ["public.tenants", "public.people", "public.orders"] {
                assert!(reading.contains(table), "{reading}");
            }
        }
    });
}

#[test]
fn what_no_rollback_takes_back_is_not_set_off() {
    const SENDS: &str = "CREATE TABLE sent(what text);
        CREATE FUNCTION http_post(t text) RETURNS void LANGUAGE plpgsql AS $$BEGIN INSERT INTO sent VALUES (t); RAISE EXCEPTION 'it was sent'; END$$;
        CREATE FUNCTION send() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM http_post(NEW.note); RETURN NEW; END$$;
        CREATE FUNCTION send_all() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM http_post('all'); END$$;
        CREATE TRIGGER send AFTER INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION send()";
    block_on(async {
        let (devdb, base) = server().await;
        let folder = Folder::new("attack-sends");
        let database = devdb.copy_of(&base).await.unwrap();
        database.execute_as_admin(SENDS).await.unwrap();
        for mode in ["--create", "--in-place"] {
            let output = attack(&folder, &database, &[mode, "--color", "never"]);
            assert!(output.status.success(), "{}", stderr(&output));
            let text = stdout(&output);
            let left_out = "not applicable table public.invoices: no rows of two tenants could be made, so nothing was tried: its trigger runs `public.send`";
            assert!(text.contains(left_out), "{text}");
            assert!(text.contains("held on public.customers"), "{text}");
            assert!(!text.contains("it was sent"), "{text}");
        }
        // Where no table is left there is no verdict, and that is no success.
        database
            .execute_as_admin(
                "DROP TABLE customers; CREATE TABLE other(tenant_id text CHECK (false)); GRANT SELECT ON other TO app",
            )
            .await
            .unwrap();
        let output = attack(&folder, &database, &["--in-place"]);
        let told = "nothing could be tried: no rows of two tenants could be made";
        assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    });
}

#[test]
fn a_login_that_is_no_superuser_attacks_as_the_role() {
    block_on(async {
        let (devdb, base) = server().await;
        let folder = Folder::new("attack-owner");
        let database = devdb.copy_of(&base).await.unwrap();
        let password = "attack-owner-secret";
        database
            .execute_as_admin(&format!(
                "CREATE ROLE wt_deployer LOGIN CREATEDB PASSWORD '{password}'; GRANT app, app_owner TO wt_deployer; \
                 DO $$ BEGIN EXECUTE format('GRANT ALL ON DATABASE %I TO wt_deployer', current_database()); END $$"
            ))
            .await
            .unwrap();
        let (_, address) = database.admin_url().rsplit_once('@').unwrap();
        let url = format!("postgres://wt_deployer:{password}@{address}");
        let run_as = |mode: &str| {
            let args = ["attack", &url, "--role", "app", mode, "--format", "json"];
            run(&folder.0, &args, "")
        };
        let held = run_as("--in-place");
        assert!(leaked(&held).is_empty(), "{}", stdout(&held));
        let report: Value = serde_json::from_slice(&held.stdout).unwrap();
        let read = report["clear"].as_array().unwrap().iter().any(|one| {
            let reason = one["reason"].as_str().unwrap();
            reason.starts_with("reading the other tenant's rows by its id: held on public.customers, public.invoices")
        });
        assert!(read, "{report:#}");
        database
            .execute_as_admin("ALTER TABLE invoices DISABLE ROW LEVEL SECURITY")
            .await
            .unwrap();
        let found = leaked(&run_as("--in-place"));
        assert!(found.contains(&("read".to_owned(), "public.invoices".to_owned())));
        assert!(!stdout(&held).contains(password) && !stderr(&held).contains(password));
        // It may not give the copy to the database's owner, which is said, and nothing is left behind.
        let copy = run_as("--create");
        let refused = copy.status.code() == Some(2);
        assert!(
            refused || leaked(&copy).contains(&("read".to_owned(), "public.invoices".to_owned())),
            "{}",
            stderr(&copy)
        );
        assert!(
            !refused || stderr(&copy).contains("--in-place"),
            "{}",
            stderr(&copy)
        );
        assert_eq!(databases(&devdb).await, 0);
    });
}
