//! Legacy MCP sessions: tied to the principal that opened them, and off unless asked for.

use reqwest::Method;
use serde_json::{Value, json};
use watertight::auth::JwtAuthenticator;
use watertight_e2e::endpoint::{Answer, Endpoint, call, initialize};
use watertight_e2e::identity::{BETA, ISSUER, SigningKey, claims, jwk_set, with};

async fn endpoint(legacy: bool) -> (Endpoint, SigningKey) {
    let key = SigningKey::ed();
    let keys = jwk_set(&[&key]);
    let auth = move |url: &str| {
        JwtAuthenticator::builder()
            .issuer(ISSUER)
            .audience(url)
            .jwk_set(keys)
            .tenant_claim("org_id")
            .build()
            .unwrap()
    };
    (
        Endpoint::start(auth, |server| server.legacy_sessions(legacy)).await,
        key,
    )
}

async fn open(endpoint: &Endpoint, token: &str) -> String {
    let answer = endpoint.post(token, &initialize()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.event()["result"]["serverInfo"]["name"], "test");
    let id = answer.header("mcp-session-id").unwrap().to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        send(endpoint, token, &id, Method::POST, &initialized)
            .await
            .status,
        202
    );
    id
}

/// A request within a session. A stream is given up once its headers are there.
async fn send(
    endpoint: &Endpoint,
    token: &str,
    id: &str,
    method: Method,
    message: &Value,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", id),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    endpoint.send(method, &headers, message.to_string()).await
}

#[tokio::test]
async fn a_stolen_session_id_is_404_for_post_get_and_delete() {
    let (endpoint, key) = endpoint(true).await;
    let right = claims(&endpoint.url, "alice");
    let owner = key.sign(&right);
    let id = open(&endpoint, &owner).await;
    let own = send(
        &endpoint,
        &owner,
        &id,
        Method::POST,
        &call("whoami", json!({})),
    )
    .await;
    assert!(
        own.event()["result"].to_string().contains("alice"),
        "{own:?}"
    );

    let unknown = send(
        &endpoint,
        &owner,
        "no-such-session",
        Method::POST,
        &call("whoami", json!({})),
    )
    .await;
    for (why, thief) in [
        ("another tenant", with(right.clone(), "org_id", json!(BETA))),
        ("another user", with(right.clone(), "sub", json!("mallory"))),
    ] {
        let thief = key.sign(&thief);
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let answer = send(
                &endpoint,
                &thief,
                &id,
                method.clone(),
                &call("whoami", json!({})),
            )
            .await;
            assert_eq!(answer.status, 404, "{why} {method}: {answer:?}");
            answer.assert_safe();
            // Someone else's session and none at all look the same.
            let without_reference = |answer: &Answer| {
                let mut body = answer.json();
                body["reference"] = json!(null);
                body
            };
            assert_eq!(
                without_reference(&answer),
                without_reference(&unknown),
                "{why} {method}"
            );
        }
    }
    // The theft has not ended the owner's session. A refreshed token is still the owner's.
    let refreshed = key.sign(&with(right, "iat", json!(1)));
    let own = send(
        &endpoint,
        &refreshed,
        &id,
        Method::POST,
        &call("whoami", json!({})),
    )
    .await;
    assert!(
        own.event()["result"].to_string().contains("alice"),
        "{own:?}"
    );
    assert!(
        send(&endpoint, &owner, &id, Method::DELETE, &json!({}))
            .await
            .status
            .is_success()
    );
    let gone = send(
        &endpoint,
        &owner,
        &id,
        Method::POST,
        &call("whoami", json!({})),
    )
    .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_repeated_or_malformed_session_id_is_404() {
    let (endpoint, key) = endpoint(true).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let id = open(&endpoint, &token).await;
    let bearer = format!("Bearer {token}");
    let twice = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", id.as_str()),
        ("mcp-session-id", id.as_str()),
    ];
    assert_eq!(
        endpoint
            .post_with(&twice, &call("whoami", json!({})))
            .await
            .status,
        404
    );
    let odd = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", "\u{e4}"),
    ];
    assert_eq!(
        endpoint
            .post_with(&odd, &call("whoami", json!({})))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn an_expired_token_does_not_go_on_in_its_session() {
    let (endpoint, key) = endpoint(true).await;
    let right = claims(&endpoint.url, "alice");
    let id = open(&endpoint, &key.sign(&right)).await;
    let expired = key.sign(&with(right, "exp", json!(1)));
    let answer = send(
        &endpoint,
        &expired,
        &id,
        Method::POST,
        &call("whoami", json!({})),
    )
    .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn each_request_in_a_session_has_its_own_scopes() {
    let (endpoint, key) = endpoint(true).await;
    let right = claims(&endpoint.url, "alice");
    let full = key.sign(&with(
        right.clone(),
        "scope",
        json!("tickets:read tickets:write"),
    ));
    let id = open(&endpoint, &full).await;
    let close = call("close_ticket", json!({}));
    let answer = send(&endpoint, &full, &id, Method::POST, &close).await;
    assert!(
        answer.event()["result"].to_string().contains("alice"),
        "{answer:?}"
    );
    let less = key.sign(&right);
    assert_eq!(
        send(&endpoint, &less, &id, Method::POST, &close)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn the_identifier_is_withheld_in_a_stream_too() {
    let (endpoint, key) = endpoint(true).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let id = open(&endpoint, &token).await;
    let answer = send(
        &endpoint,
        &token,
        &id,
        Method::POST,
        &call("foreign_leak", json!({})),
    )
    .await;
    assert_eq!(answer.event()["result"]["isError"], true, "{answer:?}");
    answer.assert_safe();
}

#[tokio::test]
async fn without_sessions_there_is_no_id_and_no_stream() {
    let (endpoint, key) = endpoint(false).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let answer = endpoint.post(&token, &initialize()).await;
    assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(answer.header("mcp-session-id"), None);
    let bearer = format!("Bearer {token}");
    for method in [Method::GET, Method::DELETE] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("accept", "text/event-stream"),
        ];
        assert_eq!(endpoint.send(method, &headers, "").await.status, 405);
    }
}
