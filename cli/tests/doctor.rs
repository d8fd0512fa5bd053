//! `doctor` on a real PostgreSQL: every flaw of the fixtures is told, by its code and of its object;
//! what `--fix` prints mends it; and where the same is done right nothing is told.

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
use std::path::Path;

use common::{Folder, run, stderr, stdout};
use flaws::{BASE, Flaw, flaws};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use watertight_devdb::{Database, DevDb};

/// The version of the server that runs the tests is not what they are about.
const SERVER_VERSION: &str = "W1041";

/// Among the arguments: its faults are what the test is about.
const OLD_SERVER: &str = "(old server)";

/// Code and place of a finding.
type Told = (String, String, String);

fn doctor(folder: &Path, database: &Database, more: &[&str]) -> std::process::Output {
    let mut args = vec!["doctor", database.admin_url()];
    args.extend(["--role", "app"]);
    if !more.contains(&OLD_SERVER) {
        args.extend(["--allow", SERVER_VERSION]);
    }
    let more = more.iter().filter(|more| **more != OLD_SERVER);
    args.extend(more);
    run(folder, &args, "")
}

fn report(folder: &Path, database: &Database, more: &[&str]) -> Value {
    let output = doctor(folder, database, &[more, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

fn told(report: &Value) -> BTreeSet<Told> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&finding["code"]),
                text(&finding["place"]["name"]),
                text(&finding["verdict"]),
            )
        })
        .collect()
}

struct Server {
    devdb: DevDb,
    base: Database,
    folder: Folder,
    /// `server_version_num`.
    version: u32,
}

impl Server {
    async fn new(name: &str) -> Self {
        let devdb = DevDb::start().await.unwrap();
        let base = devdb.database().await.unwrap();
        base.execute_as_admin("CREATE ROLE app_by LOGIN BYPASSRLS")
            .await
            .unwrap();
        base.execute_as_admin(BASE).await.unwrap();
        let mut connection = PgConnection::connect(base.admin_url()).await.unwrap();
        let version: String = sqlx::query_scalar("SHOW server_version_num")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        Self {
            version: version.parse().unwrap(),
            devdb,
            base,
            folder: Folder::new(name),
        }
    }

    async fn with(&self, sql: &str) -> Database {
        let database = self.devdb.copy_of(&self.base).await.unwrap();
        if !sql.is_empty() {
            database
                .execute_as_admin(sql)
                .await
                .unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
        }
        database
    }

    /// What a flaw leads to, before and after its mend.
    async fn flaw(&self, flaw: &Flaw, problems: &mut Vec<String>) {
        let id = &flaw.id;
        if flaw.until.is_some_and(|until| self.version >= until) {
            return;
        }
        let of_server: &[&str] = if flaw.code == SERVER_VERSION {
            &[OLD_SERVER]
        } else {
            &[]
        };
        let database = self.with(&flaw.setup).await;
        let found = told(&report(&self.folder.0, &database, of_server));
        let place = |name: &str| match flaw.place.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == flaw.place,
        };
        if !found
            .iter()
            .any(|(code, name, _)| *code == flaw.code && place(name))
        {
            problems.push(format!(
                "{id}: no {} of {}: {found:?}",
                flaw.code, flaw.place
            ));
        }
        for also in &flaw.also {
            if !found.iter().any(|(code, ..)| code == also) {
                problems.push(format!("{id}: no {also}: {found:?}"));
            }
        }
        let fix = doctor(&self.folder.0, &database, &["--fix"]);
        match database.execute_as_admin(&stdout(&fix)).await {
            Err(error) => problems.push(format!("{id}: --fix: {error:?}\n{}", stdout(&fix))),
            Ok(()) => {
                let after = report(&self.folder.0, &database, &[]);
                for finding in after["findings"].as_array().unwrap() {
                    let mends = !finding["mend"].as_array().unwrap().is_empty();
                    if mends && finding["verdict"] == "finding" {
                        problems.push(format!("{id}: not mended: {finding}\n{}", stdout(&fix)));
                    }
                }
            }
        }
        if !flaw.undo.is_empty() {
            database
                .execute_as_admin(&flaw.undo)
                .await
                .unwrap_or_else(|e| panic!("{id}: {e:?}"));
        }
        if let Some(twin) = &flaw.twin {
            let database = self.with(twin).await;
            let mut found = told(&report(&self.folder.0, &database, of_server));
            // That the server is old is so for the twin as well.
            found.retain(|(_, name, _)| name != "PostgreSQL");
            if !found.is_empty() {
                problems.push(format!("{id}: the twin is accused: {found:?}"));
            }
            if !flaw.undo.is_empty() {
                database.execute_as_admin(&flaw.undo).await.unwrap();
            }
        }
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn every_flaw_is_told_and_mended_and_its_twin_is_not() {
    block_on(async {
        let server = Server::new("doctor-flaws").await;
        let only = std::env::var("FLAW").ok();
        let mut problems = Vec::new();
        let all = flaws();
        let of_the_catalogue: BTreeSet<&str> = all
            .iter()
            .map(|flaw| flaw.id.as_str())
            .filter(|id| id.len() == 3 && !id.starts_with(['Y', 'Z']))
            .collect();
        assert_eq!(of_the_catalogue.len(), 47, "{of_the_catalogue:?}");
        for flaw in &all {
            if only.as_ref().is_none_or(|only| flaw.id.starts_with(only)) {
                server.flaw(flaw, &mut problems).await;
            }
        }
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    });
}

#[test]
fn a_group_that_gives_the_application_its_tables_is_not_taken_from_it() {
    block_on(async {
        let server = Server::new("doctor-group").await;
        let flaw = flaws().into_iter().find(|flaw| flaw.id == "Z32").unwrap();
        let database = server.with(&flaw.setup).await;
        let fix = stdout(&doctor(&server.folder.0, &database, &["--fix"]));
        assert!(fix.contains("ALTER POLICY t ON public.invoices"), "{fix}");
        assert!(!fix.contains("REVOKE grp"), "{fix}");
        database.execute_as_admin(&flaw.undo).await.unwrap();
        // Where the group gives nothing else, it is left: by whoever is its member.
        let flaw = flaws().into_iter().find(|flaw| flaw.id == "Z31").unwrap();
        let database = server.with(&flaw.setup).await;
        let fix = stdout(&doctor(&server.folder.0, &database, &["--fix"]));
        assert!(fix.contains("REVOKE ops FROM grp;"), "{fix}");
    });
}

#[test]
fn a_clean_schema_is_silent_and_the_server_is_told_of() {
    block_on(async {
        let server = Server::new("doctor-clean").await;
        let database = server.with("").await;
        let output = doctor(&server.folder.0, &database, &["--color", "never"]);
        assert!(output.status.success(), "{}", stdout(&output));
        assert!(
            stdout(&output).contains("0 findings, "),
            "{}",
            stdout(&output)
        );
        // The password is shown nowhere.
        let password = database
            .admin_url()
            .split([':', '@'])
            .nth(2)
            .unwrap()
            .to_owned();
        for format in ["text", "json", "sarif", "github", "junit", "markdown"] {
            let output = doctor(&server.folder.0, &database, &["--format", format]);
            assert!(output.status.success());
            assert!(!stdout(&output).contains(&password) && !stderr(&output).contains(&password));
        }
        let wrong = database.admin_url().replace(&password, "wrong-secret");
        let output = run(&server.folder.0, &["doctor", &wrong], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            !stderr(&output).contains("wrong-secret"),
            "{}",
            stderr(&output)
        );
        let output = run(&server.folder.0, &["doctor", "nonsense:secret@"], "");
        assert_eq!(output.status.code(), Some(2));
        assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    });
}

#[test]
fn schemas_that_are_right_are_silent() {
    block_on(async {
        let devdb = DevDb::start().await.unwrap();
        let folder = Folder::new("doctor-right");
        let mut problems = Vec::new();
        for (name, sql) in clean::schemas() {
            let database = devdb.database().await.unwrap();
            database
                .execute_as_owner(&sql)
                .await
                .unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let report = report(&folder.0, &database, &[]);
            for finding in report["findings"].as_array().unwrap() {
                problems.push(format!("{name}: {finding:#}"));
            }
            assert!(!report["clear"].as_array().unwrap().is_empty(), "{name}");
        }
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    });
}

#[test]
fn suppressions_need_a_reason_and_expire_and_a_baseline_hides_what_was_there() {
    block_on(async {
        let server = Server::new("doctor-suppressed").await;
        let plans = "CREATE TABLE plans(id int, name text); GRANT SELECT, INSERT ON plans TO app; GRANT TRUNCATE ON invoices TO app";
        let database = server.with(plans).await;
        let folder = Folder::new("doctor-suppressions").with(
            "watertight-suppressions.toml",
            "[[suppress]]\ncode = \"W0103\"\nat = \"public.pl*\"\nreason = \"prices\"\nexpires = \"2999-01-01\"\n\
             [[suppress]]\ncode = \"W1007\"\nat = \"public.invoices\"\nreason = \"until the job is rewritten\"\nexpires = \"2020-01-01\"\n\
             [[suppress]]\ncode = \"W1007\"\nat = \"public.invoices\"\n\
             [[suppress]]\ncode = \"W1010\"\nat = \"*\"\nreason = \"nothing\"\n",
        );
        let file = folder.0.join("watertight-suppressions.toml");
        let file = file.to_str().unwrap();
        let output = doctor(
            &folder.0,
            &database,
            &["--format", "json", "--suppressions", file],
        );
        assert_eq!(output.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes: Vec<&str> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, ["W1007", "W0803", "W0803", "W0803"], "{report}");
        assert_eq!(report["suppressed"][0]["reason"], "prices");

        let baseline = folder.0.join("baseline.json");
        let baseline = baseline.to_str().unwrap();
        let output = doctor(&folder.0, &database, &["--write-baseline", baseline]);
        assert!(output.status.success(), "{}", stderr(&output));
        let output = doctor(&folder.0, &database, &["--baseline", baseline]);
        assert!(output.status.success(), "{}", stdout(&output));
        database
            .execute_as_admin("GRANT TRUNCATE ON customers TO app")
            .await
            .unwrap();
        let output = doctor(
            &folder.0,
            &database,
            &["--baseline", baseline, "--format", "json"],
        );
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let places: BTreeSet<Told> = told(&report);
        assert_eq!(places.len(), 1);
        assert_eq!(places.first().unwrap().1, "public.customers");
    });
}

#[test]
fn drift_from_the_migrations_is_told() {
    block_on(async {
        let server = Server::new("doctor-drift").await;
        let migrations = "CREATE ROLE app_owner; CREATE ROLE app;\n".to_owned()
            + &BASE
                .replace("RESET ROLE;\n", "")
                .replace("SET ROLE app_owner;\n", "")
                .replace("ANALYZE;\n", "");
        let folder = Folder::new("doctor-drift-files")
            .with("watertight.toml", "tenant.type = \"text\"\n")
            .with("migrations/1_base.sql", &migrations);
        let database = server.with("").await;
        let output = doctor(&folder.0, &database, &["--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", stderr(&output)));
        assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
        let changed = "ALTER TABLE invoices NO FORCE ROW LEVEL SECURITY; DROP POLICY t ON customers; CREATE POLICY hand ON customers USING (true); CREATE TABLE extra(tenant_id text); GRANT SELECT ON extra TO app";
        database.execute_as_admin(changed).await.unwrap();
        let output = doctor(&folder.0, &database, &["--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let drift: BTreeSet<String> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["code"] == "W1042")
            .map(|finding| {
                format!(
                    "{} {}",
                    finding["place"]["name"].as_str().unwrap(),
                    finding["subject"].as_str().unwrap()
                )
            })
            .collect();
        let wanted = [
            "public.customers policy hand",
            "public.customers policy t",
            "public.customers weaker",
            "public.extra extra",
            "public.invoices forced",
            "public.invoices weaker",
        ];
        assert_eq!(drift, wanted.map(str::to_owned).into(), "{report}");
    });
}
