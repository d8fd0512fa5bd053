//! A context ends with its call: whatever took it out of the call (a static, a task, a channel, a
//! memoised function) reaches nothing with it afterwards, however the call ended. Over real HTTP and
//! a real PostgreSQL.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, tool_handler, tool_router};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use watertight::auth::JwtAuthenticator;
use watertight::{
    DbErrorKind, DbResult, Guard, Scope, Session, TenantCache, TenantPool, ToolContext, ToolResult,
    WriteScope, completions, mcp_completion, mcp_prompt, mcp_resource, mcp_tool, prompts,
    resources, tenant_query, tool, tools,
};
use watertight_devdb::{Database, DevDb};
use watertight_e2e::endpoint::{Answer, Endpoint};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

#[tenant_query("SELECT body FROM notes ORDER BY body")]
async fn bodies(db: &mut Scope<'_>) -> DbResult<Vec<String>>;

#[tenant_query("INSERT INTO notes (body) VALUES ($body)")]
async fn add(db: &mut WriteScope<'_>, body: &str) -> DbResult<()>;

async fn read(cx: &ToolContext) -> DbResult<Vec<String>> {
    bodies(&mut cx.read().await?).await
}

/// Where contexts are put that should have stayed.
static KEPT: Mutex<Option<HashMap<String, ToolContext>>> = Mutex::new(None);

fn keep(name: &str, cx: ToolContext) {
    let mut kept = KEPT.lock().unwrap();
    kept.get_or_insert_default().insert(name.to_owned(), cx);
}

fn kept(name: &str) -> Option<ToolContext> {
    KEPT.lock().unwrap().get_or_insert_default().remove(name)
}

/// Puts its context into a static, after it has read with it.
#[mcp_tool]
async fn into_static(cx: ToolContext, name: String) -> ToolResult<Vec<String>> {
    let read = read(&cx).await?;
    keep(&name, cx);
    Ok(read)
}

/// The same, and panics.
#[mcp_tool]
async fn into_static_and_panics(cx: ToolContext) -> ToolResult<String> {
    keep("panics", cx);
    panic!("canary")
}

/// The same, and never ends.
#[mcp_tool]
async fn into_static_and_hangs(cx: ToolContext) -> ToolResult<String> {
    keep("hangs", cx);
    std::future::pending().await
}

type Ended = (DbErrorKind, DbErrorKind);

struct Task {
    go: Notify,
    ends: mpsc::UnboundedSender<Ended>,
}

static TASK: OnceLock<Task> = OnceLock::new();

/// Moves its context into a task, which opens scopes during the call and uses them after it.
#[mcp_tool]
async fn into_task(cx: ToolContext) -> ToolResult<String> {
    let ready = Arc::new(Notify::new());
    let begun = Arc::clone(&ready);
    tokio::spawn(async move {
        let task = TASK.get().unwrap();
        let mut db = cx.write().await.unwrap();
        add(&mut db, "of the task").await.unwrap();
        begun.notify_one();
        task.go.notified().await;
        let statement = add(&mut db, "later").await.unwrap_err().kind();
        let commit = db.commit().await.unwrap_err().kind();
        task.ends.send((statement, commit)).unwrap();
    });
    ready.notified().await;
    Ok("begun".to_owned())
}

static CHANNEL: OnceLock<mpsc::UnboundedSender<(ToolContext, Session)>> = OnceLock::new();

/// Sends its context, and its session, to a worker.
#[mcp_tool]
async fn into_channel(cx: ToolContext) -> ToolResult<String> {
    let session = cx.session().clone();
    CHANNEL.get().unwrap().send((cx, session)).unwrap();
    Ok("sent".to_owned())
}

/// The number of notes, computed once: the mistake that a memoising attribute makes easy.
async fn memoised(cx: ToolContext) -> DbResult<usize> {
    static FIRST: OnceLock<ToolContext> = OnceLock::new();
    let cx = FIRST.get_or_init(|| cx);
    Ok(read(cx).await?.len())
}

/// The same with a cache that asks for the context.
#[mcp_tool]
async fn by_cache(cx: ToolContext) -> ToolResult<String> {
    static NOTES: LazyLock<TenantCache<(), String>> =
        LazyLock::new(|| TenantCache::builder(10).build());
    let load = async { DbResult::Ok(read(&cx).await?.join(" ")) };
    NOTES.get_or_load(&cx, (), load).await
}

/// Calls the memoised function.
#[mcp_tool]
async fn by_memo(cx: ToolContext) -> ToolResult<String> {
    Ok(match memoised(cx).await {
        Ok(count) => format!("{count} notes"),
        Err(error) => format!("{:?}", error.kind()),
    })
}

/// Keeps.
#[mcp_resource("kept://{name}")]
async fn resource(cx: ToolContext, name: String) -> ToolResult<String> {
    keep(&name, cx);
    Ok(name)
}

/// Keeps.
#[mcp_prompt]
async fn prompt(cx: ToolContext, name: String) -> ToolResult<String> {
    keep(&format!("prompt {name}"), cx);
    Ok(name)
}

#[mcp_completion(prompt = prompt)]
async fn complete(cx: ToolContext, name: String) -> ToolResult<Vec<String>> {
    keep(&format!("completion {name}"), cx);
    Ok(vec![name])
}

/// Methods of ours and of rmcp, in a handler of the user's own.
#[derive(Clone)]
struct Desk(ToolRouter<Self>);

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[tool_router]
impl Desk {
    /// Keeps the context of a method of ours.
    #[tool]
    async fn ours(&self, cx: ToolContext, name: String) -> ToolResult<String> {
        let read = read(&cx).await?;
        keep(&name, cx);
        Ok(read.join(" "))
    }

    /// Keeps the context of a method of rmcp's.
    #[rmcp::tool]
    async fn theirs(&self, cx: ToolContext, Parameters(Name { name }): Parameters<Name>) -> String {
        let read = read(&cx).await.unwrap();
        keep(&name, cx);
        read.join(" ")
    }
}

#[tool_handler(router = self.0)]
impl ServerHandler for Desk {}

struct World {
    database: Database,
    pool: TenantPool,
    endpoint: Endpoint,
    key: SigningKey,
}

fn authenticator(url: &str, keys: String) -> JwtAuthenticator {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(keys)
        .tenant_claim("org_id")
        .build()
        .unwrap()
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
        let mut connection = PgConnection::connect(database.admin_url()).await.unwrap();
        sqlx::query("INSERT INTO notes (tenant_id, body) VALUES ($1::uuid, 'a'), ($2::uuid, 'b')")
            .bind(ACME)
            .bind(BETA)
            .execute(&mut connection)
            .await
            .unwrap();
        let pool = TenantPool::builder(database.app_url())
            .max_connections(4)
            .connect(watertight::catalog!())
            .await
            .unwrap();
        let key = SigningKey::ed();
        let keys = jwk_set(&[&key]);
        let shared = pool.clone();
        let endpoint = Endpoint::start(
            |url| authenticator(url, keys),
            |server| {
                server
                    .pool(shared)
                    .tools(tools![
                        into_static,
                        into_static_and_panics,
                        into_static_and_hangs,
                        into_task,
                        into_channel,
                        by_memo,
                        by_cache
                    ])
                    .mount(Desk(Desk::tool_router()), Desk::tool_router())
                    .resources(resources![resource])
                    .prompts(prompts![prompt])
                    .completions(completions![complete])
            },
        )
        .await;
        Self {
            database,
            pool,
            endpoint,
            key,
        }
    }

    fn token(&self, tenant: &str) -> String {
        let claims = claims(&self.endpoint.url, "user");
        self.key.sign(&with(claims, "org_id", json!(tenant)))
    }

    async fn call(&self, tenant: &str, tool: &str, arguments: Value) -> Answer {
        let token = self.token(tenant);
        self.endpoint.call(&token, tool, arguments).await
    }

    async fn ask(&self, method: &str, params: Value) -> Answer {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.endpoint.post(&self.token(ACME), &message).await
    }
}

/// That nothing is to be had from it any more, and that the error says what to do.
async fn assert_over(cx: &ToolContext) {
    for error in [
        cx.read().await.map(drop).unwrap_err(),
        cx.write().await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), DbErrorKind::Ended);
        let text = error.to_string();
        assert!(text.starts_with("context ended") && text.contains("cx.ticket("));
    }
    assert!(cx.seal("cursor", &1).is_err());
    assert!(cx.handle(&1).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_in_a_static_is_over_with_its_call() {
    let world = World::new().await;
    let answer = world
        .call(ACME, "into_static", json!({"name": "static"}))
        .await;
    assert!(
        answer.is_result() && answer.body.contains("\\\"a\\\""),
        "{answer:?}"
    );
    assert_over(&kept("static").unwrap()).await;

    let answer = world.call(ACME, "into_static_and_panics", json!({})).await;
    answer.assert_safe();
    assert_over(&kept("panics").unwrap()).await;

    // A client that gives up: the call is dropped.
    let hanging = world.call(ACME, "into_static_and_hangs", json!({}));
    tokio::time::timeout(Duration::from_secs(2), hanging)
        .await
        .unwrap_err();
    let cx = kept("hangs").expect("the call did not begin");
    for _ in 0..100 {
        if cx.read().await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_over(&cx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_of_methods_resources_prompts_and_completions_are_over_as_well() {
    let world = World::new().await;
    for tool in ["ours", "theirs"] {
        let answer = world.call(ACME, tool, json!({"name": tool})).await;
        assert!(
            answer.is_result() && answer.text().contains('a'),
            "{answer:?}"
        );
        assert_over(&kept(tool).unwrap()).await;
    }
    let answer = world
        .ask("resources/read", json!({"uri": "kept://resource"}))
        .await;
    assert!(answer.is_result(), "{answer:?}");
    assert_over(&kept("resource").unwrap()).await;
    let params = json!({"name": "prompt", "arguments": {"name": "x"}});
    let answer = world.ask("prompts/get", params).await;
    assert!(answer.is_result(), "{answer:?}");
    assert_over(&kept("prompt x").unwrap()).await;
    let params = json!({"ref": {"type": "ref/prompt", "name": "prompt"},
        "argument": {"name": "name", "value": "x"}});
    let answer = world.ask("completion/complete", params).await;
    assert!(answer.is_result(), "{answer:?}");
    assert_over(&kept("completion x").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_a_call_left_behind_stores_nothing() {
    let world = World::new().await;
    let (ends, mut ended) = mpsc::unbounded_channel();
    let go = Notify::new();
    assert!(TASK.set(Task { go, ends }).is_ok());
    assert!(world.call(ACME, "into_task", json!({})).await.is_result());
    TASK.get().unwrap().go.notify_one();
    let ended = ended.recv().await.unwrap();
    assert_eq!(ended, (DbErrorKind::Ended, DbErrorKind::Ended));
    let mut connection = PgConnection::connect(world.database.admin_url())
        .await
        .unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(count, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_and_a_session_from_a_channel_are_over() {
    let world = World::new().await;
    let (sender, mut received) = mpsc::unbounded_channel();
    assert!(CHANNEL.set(sender).is_ok());
    assert!(
        world
            .call(ACME, "into_channel", json!({}))
            .await
            .is_result()
    );
    let (cx, session) = received.recv().await.unwrap();
    assert_over(&cx).await;
    // The pool was at hand, but the session is that of a call which is over.
    let error = world.pool.read(&session).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), DbErrorKind::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memoised_function_does_not_serve_the_first_callers_rows_to_the_next() {
    let world = World::new().await;
    let first = world.call(ACME, "by_memo", json!({})).await;
    assert!(first.text().contains("1 notes"), "{first:?}");
    for tenant in [BETA, ACME] {
        let next = world.call(tenant, "by_memo", json!({})).await;
        assert!(next.text().contains("Ended"), "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_by_tenant_serves_everybody_their_own() {
    let world = World::new().await;
    for (tenant, own, other) in [(ACME, "a", "b"), (BETA, "b", "a"), (ACME, "a", "b")] {
        let cached = world.call(tenant, "by_cache", json!({})).await;
        let notes = cached.json()["result"]["structuredContent"]["result"].clone();
        assert_eq!(notes, json!(own), "{cached:?}");
        assert_ne!(notes, json!(other));
    }
}

/// A handler of the user's own behind the guard alone: the answer's end is the call's.
#[tokio::test(flavor = "multi_thread")]
async fn behind_the_guard_alone_a_context_is_over_with_the_answer() {
    let world = World::new().await;
    for json_answers in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let guard = Guard::builder()
            .authenticator(authenticator(&url, jwk_set(&[&world.key])))
            .resource(&url)
            .pool(world.pool.clone())
            .build()
            .unwrap();
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(json_answers)
            .disable_allowed_hosts();
        let service = StreamableHttpService::new(
            || Ok(Desk(Desk::tool_router())),
            Arc::<NeverSessionManager>::default(),
            config,
        );
        let router: Router = Router::new().route_service("/mcp", guard.protect(service));
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let claims = with(claims(&url, "user"), "org_id", json!(ACME));
        let token = world.key.sign(&claims);
        let answer = Endpoint::of(url, served)
            .call(&token, "theirs", json!({"name": "guarded"}))
            .await;
        assert!(answer.body.contains("\"a\""), "{answer:?}");
        assert_over(&kept("guarded").unwrap()).await;
    }
}
