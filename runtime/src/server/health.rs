//! What a load balancer and an operator ask: is the pool to be used, and if not, why.
//!
//! Invariant: the answer holds what the gate found, words about roles and tables, and nothing of a
//! request or a tenant. It is a router of its own, because those words are the operator's.

use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use crate::db::{Finding, Findings, Health, TenantPool};

/// How long the database may take to answer: load balancers do not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

impl TenantPool {
    /// Two routes for those who run the server: `/health` answers as long as the process does, `/ready`
    /// with 503 while no scope can be opened, because the database does not answer or has become weaker
    /// than the proofs assume. Both say why and what mends it, as JSON.
    ///
    /// They need no credentials and name roles and tables: serve them where only operators and load
    /// balancers reach, on a listener of their own.
    ///
    /// ```no_run
    /// # async fn example(pool: watertight::TenantPool) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:9090").await?;
    /// tokio::spawn(axum::serve(listener, pool.health_routes()).into_future());
    /// # Ok(())
    /// # }
    /// ```
    pub fn health_routes(&self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready))
            .with_state(self.clone())
    }
}

async fn health(State(pool): State<TenantPool>) -> impl IntoResponse {
    answer(StatusCode::OK, &pool.health(), true)
}

async fn ready(State(pool): State<TenantPool>) -> impl IntoResponse {
    let health = pool.health();
    let answers = pool.answers(PATIENCE).await;
    let status = match answers && health.opens_scopes() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer(status, &health, answers)
}

fn answer(status: StatusCode, health: &Health, answers: bool) -> impl IntoResponse + use<> {
    let state = match (answers, health.is_sound(), health.opens_scopes()) {
        (false, ..) => "the database does not answer",
        (_, true, _) => "sound",
        (_, _, true) => "statements over the relations below are refused",
        (..) => "every scope is refused",
    };
    let verified = health.verified_at.duration_since(UNIX_EPOCH);
    let findings = health.findings.iter().flat_map(Findings::as_slice);
    let body = json!({
        "state": state,
        "verified_at": verified.map(|time| time.as_secs()).unwrap_or_default(),
        "findings": findings.map(finding).collect::<Vec<_>>(),
    });
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string())
}

fn finding(finding: &Finding) -> serde_json::Value {
    json!({
        "what": finding.what(),
        "mend": finding.mend(),
        "relation": finding.relation(),
    })
}
