//! One tenant with many calls does not keep the others waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::time::timeout;
use tower_service::Service as _;
use watertight_macros::mcp_tool;

use super::harness::{BODIES, CATALOG, builder, database, read, tenant, texts};
use super::proxy::Proxy;
use crate::auth::{AuthError, AuthRequest, Authenticator};
use crate::db::DbErrorKind;
use crate::{Server, Session, TenantKind, ToolContext, ToolResult, tools};

#[tokio::test]
async fn a_flood_of_one_tenant_leaves_connections_to_others() {
    let database = database().await;
    let pool = builder(database.app_url(), 4)
        .acquire_timeout(Duration::from_secs(5))
        .connect(CATALOG)
        .await
        .unwrap();
    // Three quarters of four.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(read(&pool, 1).await.unwrap());
    }
    let flood: Vec<_> = (0..50)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(
                async move { read(&pool, 1).await.map(drop).map_err(|error| error.kind()) },
            )
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..10 {
        let mut other = timeout(Duration::from_secs(3), read(&pool, 2))
            .await
            .expect("the other tenant waits")
            .unwrap();
        assert_eq!(texts(&mut other, BODIES).await.unwrap(), ["two"]);
    }
    for waiting in flood {
        assert_eq!(waiting.await.unwrap(), Err(DbErrorKind::Busy));
    }
    drop(held);
    read(&pool, 1).await.map(drop).unwrap();
}

/// Whose token says a number is that tenant's.
struct ByNumber;

impl Authenticator for ByNumber {
    async fn authenticate(&self, request: AuthRequest<'_>) -> Result<Session, AuthError> {
        let token = request.bearer().ok_or_else(AuthError::missing)?;
        let number = token
            .parse()
            .map_err(|_| AuthError::rejected("no number"))?;
        let verified = request.verified("https://issuer.test", "user", tenant(number));
        Ok(verified.into_session())
    }

    fn tenant_kind(&self) -> Option<TenantKind> {
        Some(TenantKind::Bigint)
    }
}

/// Lists notes.
#[mcp_tool(crate = crate, read_only)]
async fn list_notes(cx: ToolContext) -> ToolResult<Vec<String>> {
    Ok(texts(&mut cx.read().await?, BODIES).await?)
}

/// One call as this tenant, through the guard and all; whether it was answered with a result.
async fn call(router: &Router, tenant: i64) -> bool {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "list_notes", "arguments": {} } });
    let request = Request::post("http://127.0.0.1/mcp")
        .header(header::HOST, "127.0.0.1")
        .header(header::AUTHORIZATION, format!("Bearer {tenant}"))
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(message.to_string()))
        .unwrap();
    let answer = router.clone().call(request).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    !body.windows(4).any(|part| part == b"busy")
}

/// How long calls of tenant 2 take, sorted: four users, each with a short pause between two calls.
async fn measured(router: &Router) -> Vec<Duration> {
    let users = (0..4).map(|_| async {
        let mut took = Vec::new();
        for _ in 0..250 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let begun = Instant::now();
            assert!(call(router, 2).await, "the other tenant was refused");
            took.push(begun.elapsed());
        }
        took
    });
    let mut took: Vec<_> = join_all(users).await.into_iter().flatten().collect();
    took.sort_unstable();
    took
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// `cargo test --release -p watertight --lib -- --ignored --nocapture a_flood_does_not_double`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a quiet machine and a release build"]
async fn a_flood_does_not_double_another_tenants_p99() {
    let database = database().await;
    // Connections are held while messages travel, as they are in production.
    let proxy = Proxy::before(database.app_url()).await;
    let pool = builder(&proxy.url(database.app_url()), 16)
        .connect(CATALOG)
        .await
        .unwrap();
    proxy.delay(Duration::from_millis(1));
    let router = Server::builder()
        .tools(tools![list_notes])
        .pool(pool)
        .authenticator(ByNumber)
        .resource("http://127.0.0.1/mcp")
        .build()
        .unwrap()
        .into_router();
    // Connections are opened, caches are filled.
    join_all((0..32).map(|_| call(&router, 2))).await;
    let quiet = measured(&router).await;

    let (made, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let flood: Vec<_> = (0..32)
        .map(|_| {
            let (router, made, answered) = (router.clone(), made.clone(), answered.clone());
            tokio::spawn(async move {
                loop {
                    let result = call(&router, 1).await;
                    made.fetch_add(1, Ordering::Relaxed);
                    answered.fetch_add(u64::from(result), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let flooded = measured(&router).await;
    let seconds = begun.elapsed().as_secs_f64();
    flood.iter().for_each(tokio::task::JoinHandle::abort);

    let per_second = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
    let (before, during) = (percentile(&quiet, 99), percentile(&flooded, 99));
    println!(
        "flood: {:.0} calls/s made, {:.0}/s answered; other tenant p50 {:?} -> {:?}, p99 {before:?} -> {during:?}",
        per_second(&made),
        per_second(&answered),
        percentile(&quiet, 50),
        percentile(&flooded, 50),
    );
    assert!(per_second(&answered) < 150.0, "the rate is not held");
    assert!(during <= before * 2, "p99 {before:?} became {during:?}");
}
