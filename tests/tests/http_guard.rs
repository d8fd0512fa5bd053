//! What the guard does beside tokens: metadata, hosts, limits, malformed messages, safe errors.

use reqwest::Method;
use serde_json::json;
use watertight::auth::JwtAuthenticator;
use watertight_e2e::endpoint::{Endpoint, call};
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set, with};

struct Setup {
    endpoint: Endpoint,
    token: String,
    key: SigningKey,
}

async fn setup() -> Setup {
    setup_with(|server| server).await
}

async fn setup_with(
    configure: impl FnOnce(watertight::ServerBuilder) -> watertight::ServerBuilder,
) -> Setup {
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
    let endpoint = Endpoint::start(auth, configure).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    Setup {
        endpoint,
        token,
        key,
    }
}

#[tokio::test]
async fn the_metadata_is_public_and_says_where_tokens_come_from() {
    let Setup { endpoint, .. } = setup().await;
    let challenge = endpoint.send(Method::POST, &[], "").await;
    let challenge = challenge.header("www-authenticate").unwrap().to_owned();
    let url = challenge.split('"').nth(1).unwrap();
    assert_eq!(
        url,
        format!(
            "{}/.well-known/oauth-protected-resource/mcp",
            endpoint.origin
        )
    );

    let answer = endpoint.send_to(url, Method::GET, &[], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "resource": endpoint.url,
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["tickets:read", "tickets:write"],
            "resource_name": "test",
        })
    );
    assert_eq!(
        endpoint.send_to(url, Method::POST, &[], "").await.status,
        405
    );
    let root = format!("{}/.well-known/oauth-protected-resource", endpoint.origin);
    assert_eq!(
        endpoint.send_to(&root, Method::GET, &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn a_missing_scope_is_403_and_names_the_scope() {
    let Setup {
        endpoint,
        token,
        key,
    } = setup().await;
    let answer = endpoint.call(&token, "close_ticket", json!({})).await;
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"tickets:write\""), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");
    answer.assert_safe();
    let more = with(
        claims(&endpoint.url, "alice"),
        "scope",
        json!("tickets:write other"),
    );
    assert!(
        endpoint
            .call(&key.sign(&more), "close_ticket", json!({}))
            .await
            .is_result()
    );
    // A scope is compared whole.
    let near = with(
        claims(&endpoint.url, "alice"),
        "scope",
        json!("tickets tickets:write2"),
    );
    assert_eq!(
        endpoint
            .call(&key.sign(&near), "close_ticket", json!({}))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn host_and_origin_must_be_the_servers() {
    let Setup {
        endpoint, token, ..
    } = setup_with(|server| {
        server
            .allow_host("mcp.internal:9000")
            .allow_origin("https://app.example.com")
    })
    .await;
    let bearer = format!("Bearer {token}");
    let post = async |name: &str, value: &str| {
        let headers = [("authorization", bearer.as_str()), (name, value)];
        endpoint
            .post_with(&headers, &call("whoami", json!({})))
            .await
    };
    for host in [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost",
        "mcp.internal",
    ] {
        let answer = post("host", host).await;
        assert_eq!(answer.status, 403, "{host}");
        answer.assert_safe();
    }
    assert!(post("host", "mcp.internal:9000").await.is_result());
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
    ] {
        let answer = post("origin", origin).await;
        assert_eq!(answer.status, 403, "{origin}");
        answer.assert_safe();
    }
    assert!(post("origin", "https://app.example.com").await.is_result());
    assert!(post("origin", &endpoint.origin).await.is_result());
}

#[tokio::test]
async fn an_oversized_body_is_413_with_and_without_a_length() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];
    let huge = call("repeat", json!({ "text": "x".repeat(1024 * 1024) })).to_string();
    let answer = endpoint.send(Method::POST, &headers, huge.clone()).await;
    assert_eq!(answer.status, 413);
    answer.assert_safe();
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = huge
        .as_bytes()
        .chunks(10_000)
        .map(|piece| Ok(piece.to_vec()))
        .collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let answer = endpoint.send(Method::POST, &headers, chunked).await;
    assert_eq!(answer.status, 413);
    answer.assert_safe();
    // One that fits is served, and so is the next.
    let large = json!({ "text": "x".repeat(1_000_000) });
    assert!(endpoint.call(&token, "repeat", large).await.is_result());
}

#[tokio::test]
async fn a_message_that_is_none_gets_a_json_rpc_error() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("canary", -32700),
        ("{\"jsonrpc\":\"2.0\"} trailing", -32700),
        ("[]", -32600),
        ("\"canary\"", -32600),
        ("{\"canary\":1}", -32600),
        (r#"{"jsonrpc":"1.0","id":7,"method":"tools/list"}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","method":"tools/list"}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            -32600,
        ),
    ] {
        let answer = endpoint.send(Method::POST, &headers, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], code, "{body}: {answer:?}");
        answer.assert_safe();
    }
    for (body, code) in [
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":["canary"]}}"#,
            -32602,
        ),
        (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#, -32602),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"canary/method","params":{"x":"canary"}}"#,
            -32601,
        ),
    ] {
        let answer = endpoint.send(Method::POST, &headers, body).await;
        assert_eq!(answer.json()["error"]["code"], code, "{body}: {answer:?}");
        assert_eq!(answer.json()["id"], 7, "{body}: {answer:?}");
        answer.assert_safe();
    }
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":{deep}}}}}"#);
    let answer = endpoint.send(Method::POST, &headers, deep).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let not_utf8 = vec![b'{', 0xff, b'}'];
    assert_eq!(
        endpoint.send(Method::POST, &headers, not_utf8).await.status,
        400
    );
    assert!(endpoint.call(&token, "whoami", json!({})).await.is_result());
}

#[tokio::test]
async fn an_unknown_tool_and_wrong_arguments_are_answered_without_their_values() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let unknown = endpoint.call(&token, "canary_tool", json!({})).await;
    assert_eq!(unknown.json()["error"]["code"], -32602);
    unknown.assert_safe();
    for arguments in [
        json!({ "text": { "canary": 1 } }),
        json!({ "text": "a", "times": "canary" }),
        json!({ "text": "a", "times": 101 }),
        json!({ "text": "a", "times": -1 }),
        json!({ "text": "a", "times": 1e300 }),
        json!({ "times": 1 }),
        json!({ "text": "a", "tenant_id": ACME }),
        json!({ "text": "a", "canary": 1 }),
        json!(null),
    ] {
        let answer = endpoint.call(&token, "repeat", arguments.clone()).await;
        assert!(
            answer.text().starts_with("invalid argument"),
            "{arguments}: {answer:?}"
        );
        assert!(answer.body.contains("\"isError\":true"), "{answer:?}");
        answer.assert_safe();
    }
    // rmcp's own tools repeat the value; that stays inside.
    let foreign = endpoint
        .call(&token, "foreign_count", json!({ "count": "canary" }))
        .await;
    assert!(
        foreign.text().starts_with("invalid argument"),
        "{foreign:?}"
    );
    foreign.assert_safe();
    // Nor would they notice an argument that they do not know.
    let extra = json!({ "count": 1, "tenant_id": ACME });
    let foreign = endpoint.call(&token, "foreign_count", extra).await;
    assert!(
        foreign.text().starts_with("invalid argument"),
        "{foreign:?}"
    );
    foreign.assert_safe();
    assert!(
        endpoint
            .call(&token, "foreign_count", json!({ "count": 1 }))
            .await
            .is_result()
    );
}

#[tokio::test]
async fn failures_and_panics_keep_their_cause_to_the_log() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    for (tool, how, text) in [
        ("fail", "other", "internal error"),
        ("fail", "panic", "internal error"),
        ("fail", "not_found", "not found (reference "),
        (
            "fail",
            "invalid",
            "invalid argument `how`: expected a way to fail (reference ",
        ),
        ("fail", "conflict", "conflict: it is closed (reference "),
        ("fail", "denied", "not permitted (reference "),
        ("fail", "busy", "busy, try again later (reference "),
        ("fail", "unavailable", "temporarily unavailable (reference "),
        ("foreign_panic", "", "internal error"),
    ] {
        let arguments = if how.is_empty() {
            json!({})
        } else {
            json!({ "how": how })
        };
        let answer = endpoint.call(&token, tool, arguments).await;
        assert!(answer.text().starts_with(text), "{answer:?}");
        assert!(answer.body.contains("\"isError\":true"), "{answer:?}");
        answer.assert_safe();
    }
    let foreign = endpoint.call(&token, "foreign_failure", json!({})).await;
    assert_eq!(foreign.json()["error"]["code"], -32603);
    foreign.assert_safe();
    // Written into a text by hand, an error tells no more than when it is returned.
    let printed = endpoint
        .call(&token, "fail", json!({ "how": "printed" }))
        .await;
    assert!(printed.is_result(), "{printed:?}");
    printed.assert_safe();
    assert!(endpoint.call(&token, "whoami", json!({})).await.is_result());
}

#[tokio::test]
async fn a_tenant_header_is_never_read() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let bearer = format!("Bearer {token}");
    let plain = endpoint.call(&token, "whoami", json!({})).await;
    for name in [
        "x-tenant-id",
        "tenant",
        "x-org-id",
        "mcp-param-tenant_id",
        "x-forwarded-user",
    ] {
        let headers = [
            ("authorization", bearer.as_str()),
            (name, watertight_e2e::identity::BETA),
        ];
        let answer = endpoint
            .post_with(&headers, &call("whoami", json!({})))
            .await;
        assert_eq!(
            (answer.status, answer.body),
            (plain.status, plain.body.clone()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_tenants_own_identifier_is_withheld() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let simple = ACME.replace('-', "");
    for (tool, arguments) in [
        ("repeat", json!({ "text": ACME })),
        (
            "repeat",
            json!({ "text": format!("see https://x.test/{}/1", simple.to_uppercase()) }),
        ),
        ("repeat", json!({ "text": format!("{{\"a\":\"{ACME}\"}}") })),
        ("foreign_leak", json!({})),
    ] {
        let answer = endpoint.call(&token, tool, arguments).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().starts_with("internal error"), "{answer:?}");
        answer.assert_safe();
        assert!(!answer.body.contains(&simple) && !answer.body.contains(&simple.to_uppercase()));
    }
    let other = endpoint
        .call(&token, "repeat", json!({ "text": "1190f3b2" }))
        .await;
    assert!(other.is_result());
}

#[tokio::test]
async fn only_the_endpoint_and_the_metadata_are_served() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    let bearer = format!("Bearer {token}");
    for path in [
        "/",
        "/mcp/",
        "/mcp/x",
        "/health",
        "/.well-known/oauth-authorization-server",
    ] {
        let url = format!("{}{path}", endpoint.origin);
        let headers = [("authorization", bearer.as_str())];
        let answer = endpoint.send_to(&url, Method::GET, &headers, "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_server_stops_in_good_order() {
    let Setup {
        endpoint, token, ..
    } = setup().await;
    assert!(endpoint.call(&token, "whoami", json!({})).await.is_result());
    assert!(endpoint.stop().await);
}
