//! `scan` on servers that no one here wrote the SDK of: each flaw is found by its rule and in its place,
//! the same server without it is accused of nothing, and nothing that writes is ever called.
//!
//! The servers need Python 3 with venv, or npm with Node; where these or their packages can't be had,
//! a test says so and passes. The packages are pinned by lock files, and installed under the target
//! directory.

// Helpers of tests may panic: that is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg(feature = "scan")]

mod common;
#[path = "scan/servers.rs"]
mod servers;

use common::{Folder, run, stderr, stdout};
use serde_json::Value;
use servers::{
    EVERYTHING, Server, everything_program, plain, plain_program, python, tokens_of_typescript,
    typescript, typescript_pool,
};

/// What was told of a server.
struct Told {
    report: Value,
    status: Option<i32>,
}

impl Told {
    fn of(arguments: &[&str]) -> Self {
        let folder = Folder::new(&format!("scan-{:?}", std::thread::current().id()));
        let mut all = vec!["scan", "--format", "json", "--rate", "2000"];
        all.extend(arguments);
        let output = run(&folder.0, &all, "");
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}\n{}", stdout(&output), stderr(&output)));
        Self {
            report,
            status: output.status.code(),
        }
    }

    /// Code, place and verdict of each finding that fails a run.
    fn bad(&self) -> Vec<(String, String, String)> {
        let findings = self.report["findings"].as_array().unwrap().iter();
        findings
            .filter(|it| it["verdict"] == "finding" || it["severity"] != "LOW")
            .map(|it| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (
                    text(&it["code"]),
                    text(&it["place"]["name"]),
                    text(&it["verdict"]),
                )
            })
            .collect()
    }

    fn is_clear(&self, place: &str) -> bool {
        let clear = self.report["clear"].as_array().unwrap().iter();
        clear.clone().any(|it| it["place"]["name"] == place)
    }

    fn text(&self) -> String {
        serde_json::to_string_pretty(&self.report).unwrap()
    }
}

/// One flaw of a server, and how it has to be told.
struct Flaw {
    name: &'static str,
    code: &'static str,
    place: &'static str,
    verdict: &'static str,
}

const fn flaw(
    name: &'static str,
    code: &'static str,
    place: &'static str,
    verdict: &'static str,
) -> Flaw {
    Flaw {
        name,
        code,
        place,
        verdict,
    }
}

fn expect(told: &Told, flaw: &Flaw) {
    let bad = told.bad();
    let expected = |(code, place, verdict): &(String, String, String)| {
        code == flaw.code && place == flaw.place && verdict == flaw.verdict
    };
    assert!(
        bad.iter().any(expected),
        "{}: no {} of {}: {bad:?}\n{}",
        flaw.name,
        flaw.code,
        flaw.place,
        told.text()
    );
    assert_eq!(told.status, Some(1), "{}", flaw.name);
    // What is well beside the flaw is not accused.
    for innocent in [
        "list_plans",
        "server_status",
        "echo",
        "exchange_rates",
        "public_catalogue",
    ] {
        assert!(
            !bad.iter().any(|(_, place, _)| place == innocent),
            "{}: {innocent} is accused: {}",
            flaw.name,
            told.text()
        );
    }
}

const PYTHON: [&str; 4] = ["--token", "token-of-acme", "--other-token", "token-of-bolt"];

fn scan_python(server: &Server, more: &[&str]) -> Told {
    let mut arguments = vec![server.url.as_str()];
    arguments.extend(PYTHON);
    arguments.extend(more);
    Told::of(&arguments)
}

fn scan_typescript(server: &Server, more: &[&str]) -> Told {
    let [first, other] = tokens_of_typescript();
    let mut arguments = vec![
        server.url.as_str(),
        "--token",
        &first,
        "--other-token",
        &other,
    ];
    arguments.extend(more);
    Told::of(&arguments)
}

#[test]
fn a_safe_python_server_is_accused_of_nothing() {
    let Some(server) = python("") else { return };
    for era in ["stateless", "initialize"] {
        let told = scan_python(&server, &["--era", era]);
        assert_eq!(told.bad(), [], "{era}: {}", told.text());
        assert_eq!(told.status, Some(0));
        for place in [
            "get_note",
            "list_notes",
            "search_notes",
            "recent_notes",
            "authentication",
        ] {
            assert!(told.is_clear(place), "{era}: {place}: {}", told.text());
        }
    }
    assert!(!server.said().contains("CALLED"), "{}", server.said());
}

#[test]
fn every_flaw_of_the_python_server_is_found() {
    for flaw in [
        flaw("fetch", "W1310", "get_note", "finding"),
        flaw("search", "W1310", "search_notes", "needs review"),
        flaw("global", "W1311", "list_notes", "finding"),
        flaw("cache", "W1312", "recent_notes", "needs review"),
        flaw("error", "W1314", "get_note", "finding"),
        flaw("anonymous", "W1317", "list_notes", "finding"),
    ] {
        let Some(server) = python(flaw.name) else {
            return;
        };
        let told = scan_python(&server, &[]);
        expect(&told, &flaw);
        assert!(!server.said().contains("CALLED"), "{}", server.said());
    }
}

#[test]
fn a_canary_makes_an_unfiltered_answer_a_finding() {
    let Some(server) = python("cache") else {
        return;
    };
    // The file number of a note of the other organisation.
    let told = scan_python(&server, &["--canary", "AC-4762"]);
    expect(&told, &flaw("cache", "W1310", "recent_notes", "finding"));
}

#[test]
fn a_safe_typescript_server_is_accused_of_nothing() {
    let Some(server) = typescript("") else { return };
    let told = scan_typescript(&server, &[]);
    assert_eq!(told.bad(), [], "{}", told.text());
    assert_eq!(told.status, Some(0));
    for place in ["get_invoice", "open_invoices", "list_payments", "sessions"] {
        assert!(told.is_clear(place), "{place}: {}", told.text());
    }
    assert!(!server.said().contains("CALLED"), "{}", server.said());
}

#[test]
fn every_flaw_of_the_typescript_server_is_found() {
    for flaw in [
        flaw("schema", "W1301", "list_invoices.tenantId", "finding"),
        flaw("schema", "W1310", "list_invoices", "finding"),
        flaw("fetch", "W1310", "get_invoice", "finding"),
        flaw("pool", "W1311", "open_invoices", "finding"),
        flaw("error", "W1314", "get_invoice", "finding"),
        flaw("session", "W1313", "sessions", "finding"),
        flaw("cursor", "W1318", "list_payments", "finding"),
    ] {
        let Some(server) = typescript(flaw.name) else {
            return;
        };
        let told = scan_typescript(&server, &[]);
        expect(&told, &flaw);
        assert!(!server.said().contains("CALLED"), "{}", server.said());
    }
}

#[test]
fn a_safe_server_written_by_hand_is_accused_of_nothing() {
    // The second speaks the revision without sessions.
    for twin in ["", "sealed"] {
        let Some(server) = plain(twin) else { return };
        let told = scan_python(&server, &[]);
        assert_eq!(told.bad(), [], "{twin}: {}", told.text());
        assert_eq!(told.status, Some(0));
        let of_twin: &[&str] = match twin {
            "" => &[
                "make_report.task",
                "messages",
                "streams",
                "sessions",
                "reply",
                "ticket-file://{id}",
                "summary",
            ],
            _ => &["report_of.requestState"],
        };
        for place in ["tools/list cursor", "find_ticket", "dashboard"]
            .iter()
            .chain(of_twin)
        {
            assert!(told.is_clear(place), "{twin}: {place}: {}", told.text());
        }
        assert!(!server.said().contains("CALLED"), "{}", server.said());
    }
}

#[test]
fn what_leaks_in_answers_and_errors() {
    find_in_plain(&[
        flaw("choice", "W1310", "list_tickets", "needs review"),
        flaw("nested", "W1310", "find_ticket", "finding"),
        flaw("prompt", "W1310", "reply", "finding"),
        flaw("link", "W1310", "ticket-file://{id}", "finding"),
        flaw("completion", "W1310", "reply.ticket", "needs review"),
        flaw("error", "W1310", "find_ticket", "finding"),
        flaw("column", "W1314", "reply", "finding"),
        flaw("meta", "W1311", "list_tickets", "finding"),
        flaw("encoded", "W1310", "list_tickets", "needs review"),
        flaw("description", "W1310", "tools/list", "needs review"),
    ]);
}

#[test]
fn what_leaks_through_caches_connections_streams_and_handles() {
    find_in_plain(&[
        flaw("once", "W1311", "dashboard", "needs review"),
        flaw("key", "W1310", "summary", "needs review"),
        flaw("last", "W1311", "overdue", "finding"),
        flaw("broadcast", "W1310", "messages", "finding"),
        flaw("subscription", "W1310", "messages", "finding"),
        flaw("replay", "W1318", "streams", "finding"),
        flaw("task", "W1318", "make_report.task", "finding"),
        flaw("listed", "W1318", "make_report.task", "finding"),
        flaw("state", "W1318", "report_of.requestState", "finding"),
        flaw("cursor", "W1318", "tools/list cursor", "finding"),
    ]);
}

fn find_in_plain(flaws: &[Flaw]) {
    for flaw in flaws {
        let Some(server) = plain(flaw.name) else {
            return;
        };
        let told = scan_python(&server, &[]);
        expect(&told, flaw);
        assert!(!server.said().contains("CALLED"), "{}", server.said());
    }
}

/// Row-level security on a pool that is made ready where a connection is taken and nowhere else: the
/// statement that goes around it runs as whoever asked before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_resets_on_acquire_only() {
    let server = watertight_devdb::DevDb::from_env_or_start().await.unwrap();
    let database = server.database().await.unwrap();
    let schema = "
        CREATE TABLE orders (id text PRIMARY KEY, tenant_id text NOT NULL, item text NOT NULL, late boolean NOT NULL);
        INSERT INTO orders VALUES
            ('ord-70113', 'acme', 'Rocket sled', true), ('ord-70115', 'acme', 'Tunnel paint', false),
            ('ord-70114', 'bolt', 'Anchors of M8', true), ('ord-70119', 'bolt', 'Torque wrench', false);
        ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
        ALTER TABLE orders FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON orders USING (tenant_id = nullif(current_setting('app.tenant_id', true), ''));
        GRANT SELECT ON orders TO app;";
    database.execute_as_owner(schema).await.unwrap();
    let url = database.app_url().to_owned();
    tokio::task::spawn_blocking(move || {
        let Some(server) = typescript_pool("", &url) else {
            return;
        };
        let told = scan_python(&server, &[]);
        assert_eq!(told.bad(), [], "{}", told.text());
        assert!(told.is_clear("list_orders"), "{}", told.text());
        let Some(server) = typescript_pool("acquire", &url) else {
            return;
        };
        expect(
            &scan_python(&server, &[]),
            &flaw("acquire", "W1311", "late_orders", "finding"),
        );
    })
    .await
    .unwrap();
}

#[test]
fn two_identities_of_a_program() {
    let Some(program) = plain_program() else {
        return;
    };
    let program = program.to_string_lossy();
    let scan = |flaw: &str| {
        Told::of(&[
            "--env",
            "TICKETS_TOKEN=token-of-acme",
            "--other-env",
            "TICKETS_TOKEN=token-of-bolt",
            "--stdio",
            "node",
            &program,
            flaw,
            "stdio",
        ])
    };
    let told = scan("-");
    assert_eq!(told.bad(), [], "{}", told.text());
    assert_eq!(told.status, Some(0));
    assert!(told.is_clear("find_ticket"), "{}", told.text());
    expect(
        &scan("nested"),
        &flaw("nested", "W1310", "find_ticket", "finding"),
    );
    expect(
        &scan("choice"),
        &flaw("choice", "W1310", "list_tickets", "needs review"),
    );
}

#[test]
fn the_everything_server_is_not_accused() {
    let Some(program) = everything_program() else {
        return;
    };
    let told = Told::of(&["--stdio", &program[0], &program[1], "stdio"]);
    assert_eq!(told.bad(), [], "{}", told.text());
    let Some(server) = Server::everything() else {
        return;
    };
    let told = Told::of(&[
        &server.url,
        "--header",
        "X-User: first-user",
        "--other-header",
        "X-User: other-user",
        // It takes ten seconds each time.
        "--skip-tool",
        "trigger-long-running-operation",
    ]);
    assert_eq!(told.bad(), [], "{}", told.text());
    assert_eq!(told.status, Some(0), "{EVERYTHING}");
    // It knows no callers, which is told, and nothing of it is called isolated.
    assert!(told.text().contains("without a token"), "{}", told.text());
}
