//! Every call leaves one record: also one of what is not there, one that lacks a scope, one that the
//! guard refuses, and one of a handler that is somebody else's. Over real HTTP and a real PostgreSQL.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool_handler, tool_router};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use watertight::auth::JwtAuthenticator;
use watertight::{DbResult, Guard, TenantPool, ToolContext, WriteScope, tenant_query};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

#[tenant_query("INSERT INTO notes (body) VALUES ($body)")]
async fn add(db: &mut WriteScope<'_>, body: &str) -> DbResult<()>;

/// A handler of the user's own, with tools of rmcp's.
#[derive(Clone)]
struct Desk(ToolRouter<Self>);

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    body: String,
}

#[tool_router]
impl Desk {
    /// Adds two notes, each in a transaction of its own.
    #[rmcp::tool]
    async fn add_two(
        &self,
        cx: ToolContext,
        Parameters(Note { body }): Parameters<Note>,
    ) -> String {
        for number in 1..=2 {
            let mut db = cx.write().await.unwrap();
            add(&mut db, &format!("{body} {number}")).await.unwrap();
            db.commit().await.unwrap();
        }
        "added".to_owned()
    }

    /// Does nothing.
    #[rmcp::tool]
    async fn idle(&self) -> String {
        "idle".to_owned()
    }

    /// Fails in one of two ways.
    #[rmcp::tool]
    async fn stumble(
        &self,
        Parameters(Note { body }): Parameters<Note>,
    ) -> Result<rmcp::model::CallToolResult, rmcp::ErrorData> {
        match body.as_str() {
            "result" => Ok(rmcp::model::CallToolResult::error(Vec::new())),
            _ => Err(rmcp::ErrorData::internal_error("no", None)),
        }
    }
}

#[tool_handler(router = self.0)]
impl ServerHandler for Desk {}

struct World {
    database: Database,
    pool: TenantPool,
    key: SigningKey,
}

impl World {
    async fn new() -> Self {
        let database = DevDb::shared().await.unwrap().database().await.unwrap();
        watertight::db::Migrate::new(database.owner_url())
            .directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
            .catalog(&watertight::catalog!())
            .system_role("auth")
            .run()
            .await
            .unwrap();
        let pool = TenantPool::builder(database.app_url())
            .connect(watertight::catalog!())
            .await
            .unwrap();
        Self {
            database,
            pool,
            key: SigningKey::ed(),
        }
    }

    fn authenticator(&self, url: &str) -> JwtAuthenticator {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwk_set(jwk_set(&[&self.key]))
            .tenant_claim("org_id")
            .build()
            .unwrap()
    }

    fn token(&self, endpoint: &Endpoint, tenant: &str) -> String {
        let claims = claims(&endpoint.url, "user");
        self.key.sign(&with(claims, "org_id", json!(tenant)))
    }

    /// A server with the tools of [`Endpoint`], and `Desk` beside them.
    async fn server(&self, legacy: bool) -> Endpoint {
        let pool = self.pool.clone();
        let authenticator = |url: &str| self.authenticator(url);
        Endpoint::start(authenticator, |server| {
            let server = server.pool(pool).legacy_sessions(legacy);
            server.mount(Desk(Desk::tool_router()), Desk::tool_router())
        })
        .await
    }

    /// `Desk` alone, behind a guard.
    async fn guarded(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let guard = Guard::builder()
            .pool(self.pool.clone())
            .authenticator(self.authenticator(&url))
            .resource(&url)
            .build()
            .unwrap();
        let service = StreamableHttpService::new(
            || Ok(Desk(Desk::tool_router())),
            Arc::<NeverSessionManager>::default(),
            StreamableHttpServerConfig::default()
                .with_legacy_session_mode(false)
                .with_json_response(true),
        );
        let router = Router::new().route_service("/mcp", guard.protect(service));
        let served = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Endpoint::of(url, served)
    }

    /// The completions in the trail, with what they say of effects, in the order of calls.
    async fn trail(&self, least: usize) -> Vec<String> {
        let sql = "SELECT CASE tenant_id WHEN '0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07' THEN 'acme ' \
                   ELSE 'beta ' END || c.tool || ' ' || c.outcome || ' ' || coalesce(c.error, '-') \
                   || CASE WHEN c.probe THEN ' probe' ELSE '' END || ' ' || c.effects || '/' \
                   || (SELECT count(*) FROM watertight.audit e WHERE e.kind = 'effect' \
                       AND e.reference = c.reference) \
                   FROM watertight.audit c WHERE c.kind = 'completion' ORDER BY c.at, c.id";
        let mut connection = PgConnection::connect(self.database.admin_url())
            .await
            .unwrap();
        let mut rows: Vec<String> = Vec::new();
        for _ in 0..100 {
            rows = sqlx::query_scalar(sql)
                .fetch_all(&mut connection)
                .await
                .unwrap();
            if rows.len() >= least {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        rows
    }
}

async fn ask(endpoint: &Endpoint, token: &str, method: &str, params: Value) -> Answer {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    endpoint.post(token, &message).await
}

#[tokio::test]
async fn a_server_records_what_it_refuses() {
    let world = World::new().await;
    let endpoint = world.server(false).await;
    let token = world.token(&endpoint, ACME);
    let slip = json!({ "body": "x", "tenant_id": BETA });
    endpoint.call(&token, "no_such_tool", slip).await;
    endpoint.call(&token, "close_ticket", json!({})).await;
    ask(&endpoint, &token, "tools/call", json!({ "arguments": 3 })).await;
    ask(&endpoint, &token, "tools/list", json!({})).await;
    let added = endpoint
        .call(&token, "add_two", json!({ "body": "n" }))
        .await;
    assert!(added.is_result(), "{added:?}");
    // What only lists, and a word that is no method, are no calls.
    ask(&endpoint, &token, "tools/rummage", json!({})).await;
    assert_eq!(
        world.trail(4).await,
        [
            "acme tools/call refused not_found probe 0/0",
            "acme close_ticket refused denied 0/0",
            "acme tools/call refused not_found 0/0",
            // A tool that is not ours writes in transactions of ours, and its record counts them.
            "acme add_two ok - 2/2",
        ]
    );
    assert!(endpoint.stop().await);
}

#[tokio::test]
async fn what_is_behind_a_guard_alone_has_records_too() {
    let world = World::new().await;
    let endpoint = world.guarded().await;
    let (acme, beta) = (world.token(&endpoint, ACME), world.token(&endpoint, BETA));
    let idle = endpoint.call(&beta, "idle", json!({})).await;
    assert!(idle.is_result(), "{idle:?}");
    let added = endpoint
        .call(&acme, "add_two", json!({ "body": "n" }))
        .await;
    assert!(added.is_result(), "{added:?}");
    ask(&endpoint, &acme, "tools/list", json!({})).await;
    // HTTP says that there is an answer; the answer says that it failed.
    for how in ["result", "error"] {
        endpoint
            .call(&beta, "stumble", json!({ "body": how }))
            .await;
    }
    let large = "x".repeat(5 * 1024 * 1024);
    let refused = endpoint.call(&beta, "idle", json!({ "text": large })).await;
    assert_eq!(refused.status, 413, "{:?}", refused.status);
    assert_eq!(
        world.trail(5).await,
        [
            "beta idle ok - 0/0",
            "acme add_two ok - 2/2",
            "beta stumble failed - 0/0",
            "beta stumble failed - 0/0",
            "beta body refused - 0/0",
        ]
    );
    // Their arguments are kept by the policy, as those of our own tools.
    let kept = "SELECT DISTINCT tool || ' ' || arguments::text FROM watertight.audit \
                WHERE kind = 'completion' AND arguments IS NOT NULL ORDER BY 1";
    let mut connection = PgConnection::connect(world.database.admin_url())
        .await
        .unwrap();
    let kept: Vec<String> = sqlx::query_scalar(kept)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(
        kept,
        ["add_two [\"body\"]", "idle []", "stumble [\"body\"]"]
    );
}

#[tokio::test]
async fn a_stolen_session_id_is_in_the_thiefs_trail() {
    let world = World::new().await;
    let endpoint = world.server(true).await;
    let (owner, thief) = (world.token(&endpoint, ACME), world.token(&endpoint, BETA));
    let opened = endpoint
        .post(&owner, &watertight_e2e::endpoint::initialize())
        .await;
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let bearer = format!("Bearer {thief}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", id.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let message = watertight_e2e::endpoint::call("whoami", json!({})).to_string();
    let refused = endpoint.send(reqwest::Method::POST, &headers, message);
    assert_eq!(refused.await.status, 404);
    assert_eq!(
        world.trail(1).await,
        ["beta no_such_session refused denied 0/0"]
    );
}

/// A client that opens session after session: the transport is told to end those that nobody is let
/// into any more, which it would keep for minutes.
#[tokio::test]
async fn sessions_that_make_room_are_ended() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let guard = Guard::builder()
        .authenticator(world.authenticator(&url))
        .resource(&url)
        .legacy_sessions(true)
        .calls_per_second(None)
        .build()
        .unwrap();
    // In the transport's place, to see what it is told.
    let (opened, ended) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let told = Arc::clone(&ended);
    let open = move || {
        let number = opened.fetch_add(1, Ordering::SeqCst);
        async move { [("mcp-session-id", format!("s{number}"))] }
    };
    let end = move |headers: HeaderMap| {
        let id = headers["mcp-session-id"].to_str().unwrap().to_owned();
        told.lock().unwrap().push(id);
        async {}
    };
    let transport = Router::new().route("/mcp", post(open).delete(end));
    let router = Router::new().fallback_service(guard.protect(transport));
    let served = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    let endpoint = Endpoint::of(url, served);
    let token = world.token(&endpoint, ACME);
    for _ in 0..258 {
        let opened = endpoint
            .post(&token, &watertight_e2e::endpoint::initialize())
            .await;
        assert_eq!(opened.status, 200);
    }
    assert_eq!(*ended.lock().unwrap(), ["s0", "s1"]);
}

/// A flood of calls that lack a scope is no flood of records.
#[tokio::test]
async fn refusals_in_quick_succession_are_told_once_a_second() {
    let world = World::new().await;
    let pool = world.pool.clone();
    let endpoint = Endpoint::start(
        |url: &str| world.authenticator(url),
        |server| server.pool(pool).calls_per_second(5),
    )
    .await;
    let token = world.token(&endpoint, ACME);
    let calls = (0..200).map(|_| endpoint.call(&token, "close_ticket", json!({})));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 403));
    assert!(endpoint.stop().await);
    let trail = world.trail(1).await;
    assert!((1..60).contains(&trail.len()), "{}", trail.len());
}
