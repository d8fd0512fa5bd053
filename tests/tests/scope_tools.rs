//! Tools with proved statements over real HTTP and a real PostgreSQL: two tenants on one server.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbError, DbErrorKind, DbResult, Scope, SystemPool, SystemScope, TenantPool, ToolContext,
    ToolResult, WriteScope, mcp_tool, system_query, tenant_query, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::{Endpoint, call};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

#[tenant_query("SELECT body FROM notes ORDER BY body LIMIT $limit")]
async fn bodies(db: &mut Scope<'_>, limit: i64) -> DbResult<Vec<String>>;

#[tenant_query("SELECT id FROM notes WHERE body = $body")]
async fn id_of(db: &mut Scope<'_>, body: &str) -> DbResult<i64>;

#[tenant_query("INSERT INTO notes (body) VALUES ($body) RETURNING id")]
async fn insert(db: &mut WriteScope<'_>, body: &str) -> DbResult<i64>;

#[tenant_query("DELETE FROM notes WHERE body = $body")]
async fn delete(db: &mut WriteScope<'_>, body: &str) -> DbResult<u64>;

#[tenant_query]
async fn rename(db: &mut WriteScope<'_>, from: &str, to: &str) -> DbResult<bool> {
    let done = sqlx::query("UPDATE notes SET body = $2 WHERE body = $1")
        .bind(from)
        .bind(to)
        .execute(db)
        .await?;
    Ok(done.rows_affected() > 0)
}

#[system_query(
    "SELECT tenant_id FROM api_keys WHERE hash = $hash",
    role = "auth",
    tables(api_keys),
    reason = "a key names its tenant"
)]
async fn tenant_of_key(db: &mut SystemScope<'_>, hash: &str)
-> DbResult<Option<sqlx::types::Uuid>>;

/// Lists notes.
#[mcp_tool(read_only)]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    Ok(bodies(&mut cx.read().await?, 50).await?)
}

/// Adds a note, if it is not there yet.
#[mcp_tool]
async fn add_note(cx: ToolContext, body: String) -> ToolResult<i64> {
    let mut db = cx.write().await?;
    let id = insert(&mut db, &body).await?;
    db.commit().await?;
    Ok(id)
}

/// Renames a note.
#[mcp_tool]
async fn rename_note(cx: ToolContext, from: String, to: String) -> ToolResult<bool> {
    let mut db = cx.write().await?;
    let renamed = rename(&mut db, &from, &to).await?;
    db.commit().await?;
    Ok(renamed)
}

/// Adds a note twice and ignores that the second one fails.
#[mcp_tool]
async fn add_carelessly(cx: ToolContext, body: String) -> ToolResult<String> {
    let mut db = cx.write().await?;
    insert(&mut db, &body).await?;
    let _ = insert(&mut db, &body).await;
    db.commit().await?;
    Ok("stored".to_owned())
}

/// Deletes everything it can name, and then fails.
#[mcp_tool]
async fn delete_and_panic(cx: ToolContext, body: String) -> ToolResult<u64> {
    let mut db = cx.write().await?;
    let deleted = delete(&mut db, &body).await?;
    assert_eq!(deleted, 0, "canary-panic");
    Ok(deleted)
}

/// Finds the number of a note.
#[mcp_tool(read_only)]
async fn note_id(cx: ToolContext, body: String) -> ToolResult<i64> {
    Ok(id_of(&mut cx.read().await?, &body).await?)
}

struct World {
    database: Database,
    endpoint: Endpoint,
    acme: String,
    beta: String,
}

impl World {
    async fn new(connections: u32) -> Self {
        let database = migrated().await;
        let pool = TenantPool::builder(database.app_url())
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(2))
            .connect(watertight::catalog!())
            .await
            .unwrap();
        let key = SigningKey::ec();
        let keys = jwk_set(&[&key]);
        let authenticator = move |url: &str| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .jwk_set(keys)
                .tenant_claim("org_id")
                .build()
                .unwrap()
        };
        let endpoint = Endpoint::start(authenticator, |server| {
            server.pool(pool).tools(tools![
                list_notes,
                add_note,
                rename_note,
                add_carelessly,
                delete_and_panic,
                note_id
            ])
        })
        .await;
        let token = |tenant| {
            key.sign(&with(
                claims(&endpoint.url, "user"),
                "org_id",
                json!(tenant),
            ))
        };
        Self {
            acme: token(ACME),
            beta: token(BETA),
            database,
            endpoint,
        }
    }

    async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let answer = self.endpoint.call(token, tool, arguments).await;
        assert!(answer.is_result(), "{answer:?}");
        answer.json()["result"]["structuredContent"]["result"].take()
    }

    async fn refused(&self, token: &str, tool: &str, arguments: Value) -> String {
        let answer = self.endpoint.call(token, tool, arguments).await;
        assert!(!answer.is_result(), "{answer:?}");
        answer.assert_safe();
        answer.text()
    }

    /// What the superuser sees.
    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        sqlx::query_scalar(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// The trail, after the server has written what waits.
    async fn trail(&self, least: usize) -> Vec<String> {
        let sql = "SELECT CASE tenant_id WHEN '0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07' THEN 'acme ' \
                   ELSE 'beta ' END || kind || ' ' || tool || ' ' || coalesce(outcome, '-') || ' ' \
                   || coalesce(rows::text, '-') FROM watertight.audit ORDER BY kind, id";
        for _ in 0..100 {
            let rows = self.rows(sql).await;
            if rows.len() >= least {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.rows(sql).await
    }
}

async fn migrated() -> Database {
    let database = DevDb::shared().await.unwrap().database().await.unwrap();
    watertight::db::Migrate::new(database.owner_url())
        .directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .catalog(&watertight::catalog!())
        .system_role("auth")
        .run()
        .await
        .unwrap();
    database
}

#[tokio::test]
async fn two_tenants_use_one_server_side_by_side() {
    let world = World::new(4).await;
    let (acme, beta) = (world.acme.as_str(), world.beta.as_str());
    world
        .call(acme, "add_note", json!({ "body": "same words" }))
        .await;
    world
        .call(beta, "add_note", json!({ "body": "same words" }))
        .await;
    world
        .call(beta, "add_note", json!({ "body": "of beta" }))
        .await;
    assert_eq!(
        world.call(acme, "list_notes", json!({})).await,
        json!(["same words"])
    );
    assert_eq!(
        world.call(beta, "list_notes", json!({})).await,
        json!(["of beta", "same words"])
    );
    let renamed = world
        .call(
            acme,
            "rename_note",
            json!({ "from": "of beta", "to": "mine" }),
        )
        .await;
    assert_eq!(renamed, json!(false));
    world
        .refused(acme, "note_id", json!({ "body": "of beta" }))
        .await;
    let expected = [
        "acme completion add_note ok 1",
        "beta completion add_note ok 1",
        "beta completion add_note ok 1",
        "acme completion list_notes ok 1",
        "beta completion list_notes ok 2",
        "acme completion rename_note ok 0",
        "acme completion note_id failed 0",
        "acme effect add_note - -",
        "beta effect add_note - -",
        "beta effect add_note - -",
        "acme effect rename_note - -",
    ];
    let (mut trail, mut expected) = (
        world.trail(expected.len()).await,
        expected.map(str::to_owned),
    );
    trail.sort();
    expected.sort();
    assert_eq!(trail, expected);
    let joined = "SELECT count(DISTINCT reference)::text FROM watertight.audit";
    assert_eq!(
        world.rows(joined).await,
        ["7"],
        "effect and completion share the call's reference"
    );
}

#[tokio::test]
async fn failures_store_nothing_and_tell_nothing() {
    let world = World::new(2).await;
    let (acme, beta) = (world.acme.as_str(), world.beta.as_str());
    world
        .call(acme, "add_note", json!({ "body": "canary" }))
        .await;
    world
        .refused(acme, "add_note", json!({ "body": "canary" }))
        .await;
    world
        .refused(acme, "add_note", json!({ "body": "canary".repeat(50) }))
        .await;
    world
        .refused(acme, "add_carelessly", json!({ "body": "lost" }))
        .await;
    world
        .refused(acme, "delete_and_panic", json!({ "body": "canary" }))
        .await;
    assert_eq!(
        world
            .call(beta, "delete_and_panic", json!({ "body": "canary" }))
            .await,
        json!(0)
    );
    assert_eq!(world.call(beta, "list_notes", json!({})).await, json!([]));
    assert_eq!(
        world.call(acme, "list_notes", json!({})).await,
        json!(["canary"])
    );
    let trail = world.trail(9).await;
    for line in [
        "acme completion add_carelessly failed",
        "acme completion delete_and_panic panicked",
    ] {
        assert!(
            trail.iter().any(|record| record.starts_with(line)),
            "{line} is not in {trail:?}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_and_what_is_anothers_are_the_same_bytes() {
    let world = World::new(2).await;
    let added = world
        .call(&world.beta, "add_note", json!({ "body": "theirs" }))
        .await;
    assert!(added.is_number(), "{added}");
    let mut answers = Vec::new();
    // The other tenant's, nobody's, and the other's once more.
    for body in ["theirs", "nobody", "theirs"] {
        let answer = world
            .endpoint
            .call(&world.acme, "note_id", json!({ "body": body }))
            .await;
        assert!(
            answer.text().starts_with("not found (reference "),
            "{answer:?}"
        );
        let reference = answer.text().split("reference ").nth(1).unwrap().to_owned();
        let reference = reference.trim_end_matches(')').to_owned();
        assert_eq!(reference.len(), 32);
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| (name.to_string(), format!("{value:?}")))
            .collect();
        headers.sort();
        answers.push((
            answer.status,
            headers,
            answer.body.replace(&reference, "REFERENCE"),
        ));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    // It is there, for whom it belongs to.
    let found = world
        .call(&world.beta, "note_id", json!({ "body": "theirs" }))
        .await;
    assert_eq!(found, added);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_dropped_in_flight_leave_the_other_tenant_its_own() {
    let world = World::new(2).await;
    world
        .call(&world.beta, "add_note", json!({ "body": "of beta" }))
        .await;
    let client = reqwest::Client::new();
    let mut dropped = 0;
    for round in 0..200_u64 {
        let body = call("add_note", json!({ "body": format!("of acme {round}") })).to_string();
        let sent = client
            .post(&world.endpoint.url)
            .bearer_auth(&world.acme)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .timeout(Duration::from_micros(500 + round * 7919 % 6000))
            .body(body)
            .send()
            .await;
        dropped += u32::from(sent.is_err());
        assert_eq!(
            world.call(&world.beta, "list_notes", json!({})).await,
            json!(["of beta"])
        );
    }
    assert!(dropped > 20, "{dropped} dropped: the deadlines don't hit");
    let stray = "SELECT body FROM notes WHERE body LIKE 'of acme%' \
                 AND tenant_id <> '0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07'";
    assert_eq!(world.rows(stray).await, [""; 0]);
    // Every call that began is in the trail, and each stored note has its effect.
    let effects = "SELECT (count(*) FILTER (WHERE kind = 'effect') \
                   - (SELECT count(*) FROM notes))::text FROM watertight.audit";
    assert_eq!(world.rows(effects).await, ["0"]);
}

#[tokio::test]
async fn a_system_query_runs_under_its_own_role_only() {
    let database = migrated().await;
    database
        .execute_as_admin(&format!("INSERT INTO api_keys VALUES ('h', '{ACME}')"))
        .await
        .unwrap();
    let pool = SystemPool::connect(database.system_url(), watertight::catalog!())
        .await
        .unwrap();
    let mut db = pool.read().await.unwrap();
    let tenant = tenant_of_key(&mut db, "h").await.unwrap();
    assert_eq!(tenant.map(|id| id.to_string()).as_deref(), Some(ACME));
    assert_eq!(tenant_of_key(&mut db, "unknown").await.unwrap(), None);
    drop(db);
    pool.close().await;
    let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
    let records: Vec<String> = sqlx::query_scalar(
        "SELECT role || ' ' || kind || ' ' || tool FROM watertight.system_audit",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(records, ["auth read tenant_of_key, tenant_of_key"]);
    let refused: DbError = pool.read().await.unwrap_err();
    assert_eq!(refused.kind(), DbErrorKind::Unavailable);
}
