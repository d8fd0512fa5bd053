//! Bad input and bad luck, against the running server: a clear answer with a reference and without a
//! tenant, the cause in the log under that reference, nothing hangs, and the server goes on serving.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing helper fails its test"
)]

use helpdesk::demo::client::{Bare, Reply, send};
use helpdesk::demo::logs::Logs;
use helpdesk::desk::{Desk, Running};
use helpdesk::seed::{ORGANISATIONS, Organisation};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const CONTOSO: &Organisation = &ORGANISATIONS[1];

struct Fixture {
    desk: Desk,
    running: Running,
    bare: Bare,
    token: String,
}

fn logs() -> &'static Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    LOGS.get_or_init(Logs::capture)
}

async fn fixture() -> Fixture {
    logs();
    let desk = Desk::set_up().await.unwrap();
    let running = desk.serve("127.0.0.1:0").await.unwrap();
    let bare = Bare::new(&running.url).unwrap();
    let token = running.token(CONTOSO).unwrap();
    Fixture {
        desk,
        running,
        bare,
        token,
    }
}

impl Fixture {
    async fn call(&self, tool: &str, arguments: Value) -> Reply {
        send(self.bare.call(&self.token, tool, &arguments))
            .await
            .unwrap()
    }

    async fn assert_serving(&self) {
        let reply = self.call("list_customers", json!({ "limit": 3 })).await;
        assert_eq!(reply.rows().len(), 3, "{} {}", reply.status, reply.body);
    }
}

/// The answer names no tenant and carries a reference that the log knows, with the cause.
fn assert_clear(reply: &Reply, cause: &str) {
    let text = reply.text();
    for foreign in [
        CONTOSO.tenant.to_string(),
        CONTOSO.tenant.simple().to_string(),
    ] {
        assert!(!text.contains(&foreign), "{text}");
    }
    assert!(!text.to_lowercase().contains("tenant"), "{text}");
    let mut words = text.split(|c: char| !c.is_ascii_hexdigit());
    let reference = words.find(|word| word.len() == 32);
    let reference = reference.expect("a reference");
    let lines = logs().lines_with(reference);
    assert!(
        lines.iter().any(|line| line.contains(cause)),
        "no {cause:?} in the log: {lines:?}"
    );
}

fn is_tool_error(reply: &Reply) -> bool {
    reply.message().pointer("/result/isError") == Some(&Value::Bool(true))
}

#[tokio::test]
async fn malformed_tokens() {
    let fixture = fixture().await;
    let good = &fixture.token;
    let cut = &good[..good.len() - 10];
    for token in [
        "x",
        "a.b.c",
        "..",
        cut,
        &format!("{good}.{good}"),
        "hd_unknown_key",
    ] {
        let reply = send(fixture.bare.call(token, "list_customers", &json!({})))
            .await
            .unwrap();
        assert_eq!(
            reply.status,
            StatusCode::UNAUTHORIZED,
            "{token}: {}",
            reply.body
        );
        assert!(
            reply.challenge.contains("invalid_token"),
            "{}",
            reply.challenge
        );
        assert!(!reply.text().contains(token), "the token came back");
        assert_clear(&reply, "");
    }
    fixture.assert_serving().await;
}

#[tokio::test]
async fn an_api_key_opens_its_own_organisation_only() {
    let fixture = fixture().await;
    for (own, other) in [(0, 1), (1, 0)] {
        let key = helpdesk::seed::api_key(&ORGANISATIONS[own]);
        let call = fixture.bare.call(&key, "export_customers", &json!({}));
        let reply = send(call).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        assert!(reply.body.contains(ORGANISATIONS[own].prefix));
        assert!(!reply.body.contains(ORGANISATIONS[other].prefix));
    }
}

#[tokio::test]
async fn a_request_without_a_token() {
    let fixture = fixture().await;
    let reply = send(reqwest::Client::new().post(&fixture.running.url).body("{}"))
        .await
        .unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert!(
        reply.challenge.contains(&fixture.running.metadata_url),
        "{}",
        reply.challenge
    );
}

#[tokio::test]
async fn an_unknown_tool() {
    let fixture = fixture().await;
    let reply = fixture.call("drop_everything", json!({})).await;
    let failed = is_tool_error(&reply) || reply.message().get("error").is_some();
    assert!(failed, "{}", reply.body);
    assert_clear(&reply, "");
    fixture.assert_serving().await;
}

#[tokio::test]
async fn wrong_types_ranges_and_names_of_arguments() {
    let fixture = fixture().await;
    for (tool, arguments) in [
        ("list_customers", json!({ "limit": "ten" })),
        ("list_customers", json!({ "limit": 1.5 })),
        ("list_customers", json!({ "limit": 0 })),
        ("list_customers", json!({ "limit": 201 })),
        ("list_customers", json!({ "limit": -1 })),
        ("list_customers", json!({ "limit": u64::MAX })),
        ("list_customers", json!({ "plan": "gold" })),
        ("list_customers", json!({ "limitt": 5 })),
        ("get_customer", json!({})),
        ("get_customer", json!({ "customer_id": "17" })),
        ("search_tickets", json!({ "words": "" })),
        ("search_tickets", json!({ "words": "x".repeat(201) })),
        ("search_tickets", json!({ "words": ["invoice"] })),
    ] {
        let reply = fixture.call(tool, arguments.clone()).await;
        assert!(is_tool_error(&reply), "{tool} {arguments}: {}", reply.body);
        assert!(reply.body.contains("invalid argument"), "{}", reply.body);
        assert_clear(&reply, "");
    }
    fixture.assert_serving().await;
}

#[tokio::test]
async fn a_value_is_not_echoed() {
    let fixture = fixture().await;
    let reply = fixture
        .call("list_customers", json!({ "plan": "canary-4711" }))
        .await;
    assert!(
        is_tool_error(&reply) && !reply.body.contains("4711"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn an_oversized_body() {
    let fixture = fixture().await;
    let reply = fixture
        .call("search_tickets", json!({ "words": "x".repeat(3 << 20) }))
        .await;
    assert_eq!(
        reply.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        reply.body
    );
    assert_clear(&reply, "");
    fixture.assert_serving().await;
}

#[tokio::test]
async fn a_body_that_is_not_json() {
    let fixture = fixture().await;
    let request = fixture
        .bare
        .modern(&fixture.token, "tools/call", &json!({}))
        .body("{\"jsonrpc\":");
    let reply = send(request).await.unwrap();
    assert!(
        reply.status.is_client_error(),
        "{} {}",
        reply.status,
        reply.body
    );
    fixture.assert_serving().await;
}

#[tokio::test]
async fn a_dead_database() {
    let Fixture {
        desk,
        running,
        bare,
        token,
    } = fixture().await;
    desk.lose_database();
    let begin = Instant::now();
    for (tool, arguments) in [
        ("list_customers", json!({})),
        ("create_tag", json!({ "name": "late" })),
        ("price_list", json!({})),
    ] {
        let reply = send(bare.call(&token, tool, &arguments)).await.unwrap();
        assert!(is_tool_error(&reply), "{} {}", reply.status, reply.body);
        assert!(!reply.body.contains("127.0.0.1"), "{}", reply.body);
        assert_clear(&reply, "unavailable");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(25),
        "took {:?}",
        begin.elapsed()
    );
    // What needs no database goes on.
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    } } });
    let reply = send(bare.modern(&token, "tools/list", &list))
        .await
        .unwrap();
    assert!(
        reply.message().pointer("/result/tools/0").is_some(),
        "{}",
        reply.body
    );
    // API keys can't be looked up: that is not the client's fault, and says so.
    let key = helpdesk::seed::api_key(CONTOSO);
    let reply = send(bare.call(&key, "list_customers", &json!({})))
        .await
        .unwrap();
    assert_eq!(
        reply.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        reply.body
    );
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_goes_away_in_the_middle_of_a_call() {
    let fixture = fixture().await;
    fixture.assert_serving().await;
    let admin = fixture.desk.database().admin_url();
    let mut lock = PgConnection::connect(admin).await.unwrap();
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE tags")
        .execute(&mut *lock)
        .await
        .unwrap();

    let call = tokio::spawn({
        let request = fixture
            .bare
            .call(&fixture.token, "create_tag", &json!({ "name": "held" }));
        async move { send(request).await.unwrap() }
    });
    // The call waits for the lock; then every connection of the application is cut.
    let mut killer = PgConnection::connect(admin).await.unwrap();
    const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE usename = 'app' AND datname = current_database() AND wait_event_type = 'Lock'";
    let mut cut = 0_i64;
    while cut == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cut = sqlx::query_scalar(CUT)
            .fetch_one(&mut killer)
            .await
            .unwrap();
    }
    let reply = tokio::time::timeout(Duration::from_secs(10), call)
        .await
        .unwrap()
        .unwrap();
    assert!(is_tool_error(&reply), "{} {}", reply.status, reply.body);
    assert_clear(&reply, "terminating connection");
    lock.rollback().await.unwrap();

    fixture.assert_serving().await;
    let again = fixture.call("create_tag", json!({ "name": "held" })).await;
    assert!(
        !is_tool_error(&again),
        "the cut call left something behind: {}",
        again.body
    );
}
