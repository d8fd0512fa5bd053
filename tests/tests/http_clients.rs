//! rmcp's own client against the server, in both eras of the protocol.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequestParams, ClientConfig};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use serde_json::{Value, json};
use watertight::auth::JwtAuthenticator;
use watertight_e2e::endpoint::Endpoint;
use watertight_e2e::identity::{BETA, ISSUER, SigningKey, claims, jwk_set, with};

type Client = RunningService<RoleClient, ClientConfig>;

async fn endpoint(
    configure: impl FnOnce(watertight::ServerBuilder) -> watertight::ServerBuilder,
) -> (Endpoint, SigningKey) {
    let key = SigningKey::ec();
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
    (Endpoint::start(auth, configure).await, key)
}

async fn call(
    client: &Client,
    tool: &'static str,
    arguments: Value,
) -> Result<String, ServiceError> {
    let mut params = CallToolRequestParams::new(tool);
    params.arguments = arguments.as_object().cloned();
    let result = client.call_tool(params).await?;
    Ok(serde_json::to_string(&result).unwrap())
}

async fn names(client: &Client) -> Vec<String> {
    let tools = client.list_all_tools().await.unwrap();
    tools
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect()
}

async fn does_ordinary_work(client: &Client) {
    let listed = names(client).await;
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    assert_eq!(listed, names(client).await);
    assert!(listed.contains(&"whoami".to_owned()) && listed.contains(&"foreign_whoami".to_owned()));
    assert!(
        !listed.contains(&"close_ticket".to_owned()),
        "a scope is missing: {listed:?}"
    );

    assert!(
        call(client, "whoami", json!({}))
            .await
            .unwrap()
            .contains("alice")
    );
    assert!(
        call(client, "foreign_whoami", json!({}))
            .await
            .unwrap()
            .contains("alice")
    );
    let repeated = call(client, "repeat", json!({ "text": "ab", "times": 3 }))
        .await
        .unwrap();
    assert!(repeated.contains("ababab"));
    assert!(
        call(client, "repeat", json!({ "text": "ab" }))
            .await
            .unwrap()
            .contains("ab")
    );
    let failed = call(client, "fail", json!({ "how": "not_found" }))
        .await
        .unwrap();
    assert!(
        failed.contains("\"isError\":true") && failed.contains("not found"),
        "{failed}"
    );
    assert!(call(client, "no_such_tool", json!({})).await.is_err());
    let withheld = call(client, "foreign_leak", json!({})).await.unwrap();
    assert!(withheld.contains("internal error"), "{withheld}");
}

#[tokio::test]
async fn both_eras_work_without_legacy_sessions() {
    for json_response in [true, false] {
        let (endpoint, key) = endpoint(|server| server.json_response(json_response)).await;
        let token = key.sign(&claims(&endpoint.url, "alice"));
        let legacy = endpoint.legacy_client(&token).await;
        does_ordinary_work(&legacy).await;
        let modern = endpoint.modern_client(&token).await;
        does_ordinary_work(&modern).await;
        legacy.cancel().await.unwrap();
        modern.cancel().await.unwrap();
        assert!(endpoint.stop().await);
    }
}

#[tokio::test]
async fn both_eras_work_with_legacy_sessions() {
    let (endpoint, key) = endpoint(|server| server.legacy_sessions(true)).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let legacy = endpoint.legacy_client(&token).await;
    does_ordinary_work(&legacy).await;
    let modern = endpoint.modern_client(&token).await;
    does_ordinary_work(&modern).await;
    // The legacy client's stream is open; it does not keep the server from stopping.
    assert!(endpoint.stop().await);
}

#[tokio::test]
async fn the_list_depends_on_the_caller_and_is_private() {
    let (endpoint, key) = endpoint(|server| server).await;
    let more = with(
        claims(&endpoint.url, "alice"),
        "scope",
        json!("tickets:read tickets:write"),
    );
    let client = endpoint.modern_client(&key.sign(&more)).await;
    let all: BTreeSet<_> = names(&client).await.into_iter().collect();
    let none = with(claims(&endpoint.url, "alice"), "scope", Value::Null);
    let client = endpoint.modern_client(&key.sign(&none)).await;
    let few: BTreeSet<_> = names(&client).await.into_iter().collect();
    let hidden: Vec<_> = all.difference(&few).map(String::as_str).collect();
    assert_eq!(hidden, ["close_ticket", "whoami"]);

    let list = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/list",
        "params": { "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        } },
    });
    let bearer = format!("Bearer {}", key.sign(&more));
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    let answer = endpoint.post_with(&headers, &list).await;
    assert_eq!(
        answer.json()["result"]["cacheScope"],
        "private",
        "{answer:?}"
    );
}

#[tokio::test]
async fn two_tenants_work_side_by_side() {
    let (endpoint, key) = endpoint(|server| server).await;
    let one = key.sign(&claims(&endpoint.url, "alice"));
    let other = with(claims(&endpoint.url, "bob"), "org_id", json!(BETA));
    let other = key.sign(&other);
    let (one, other) = (
        endpoint.modern_client(&one).await,
        endpoint.legacy_client(&other).await,
    );
    let calls = (0..50).map(|_| async {
        let (a, b) = tokio::join!(
            call(&one, "whoami", json!({})),
            call(&other, "whoami", json!({}))
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.contains("alice") && !a.contains("bob"), "{a}");
        assert!(b.contains("bob") && !b.contains("alice"), "{b}");
        // Each tenant's own identifier is withheld, and only from that tenant.
        let text = json!({ "text": BETA });
        let (a, b) = tokio::join!(
            call(&one, "repeat", text.clone()),
            call(&other, "repeat", text)
        );
        assert!(a.unwrap().contains(BETA));
        assert!(!b.unwrap().contains(BETA));
    });
    futures_util::future::join_all(calls).await;
}

/// A call over one connection that is kept open, and how long the median of twenty takes.
async fn median_of_calls(endpoint: &Endpoint, token: &str) -> Duration {
    let client = reqwest::Client::new();
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let answer = client
            .post(&endpoint.url)
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .body(watertight_e2e::endpoint::call("whoami", json!({})).to_string());
        let answer = answer.send().await.unwrap().text().await.unwrap();
        assert!(answer.contains("alice"), "{answer}");
        times.push(begun.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn events_do_not_wait_for_acknowledgements() {
    let (endpoint, key) = endpoint(|server| server.json_response(false)).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    // Held back by Nagle's algorithm, every answer waits some 40 ms for the client's delayed
    // acknowledgement. A busy machine may be slow once, and not three times.
    let mut medians = Vec::new();
    for _ in 0..3 {
        medians.push(median_of_calls(&endpoint, &token).await);
    }
    let best = medians.iter().min().unwrap();
    assert!(*best < Duration::from_millis(35), "{medians:?}");
}

#[tokio::test]
async fn answers_are_json_unless_asked_otherwise() {
    for (json_response, content_type) in [
        (None, "application/json"),
        (Some(true), "application/json"),
        (Some(false), "text/event-stream"),
    ] {
        let (endpoint, key) = endpoint(|server| match json_response {
            Some(on) => server.json_response(on),
            None => server,
        })
        .await;
        let token = key.sign(&claims(&endpoint.url, "alice"));
        let answer = endpoint.call(&token, "whoami", json!({})).await;
        assert_eq!(answer.header("content-type"), Some(content_type));
        assert_eq!(answer.header("mcp-session-id"), None);
    }
}
