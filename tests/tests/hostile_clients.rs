//! Hostile clients: tokens that could be read in two ways, messages that are hardly any, and reaching for
//! what belongs to another tenant's requests. Over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use watertight::auth::{Issuers, JwtAuthenticator, JwtAuthenticatorBuilder, TenantSpace};
use watertight::{ServerBuilder, TenantKind, ToolContext, ToolResult, mcp_tool, tools};
use watertight_e2e::endpoint::{Answer, Endpoint, call, initialize};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, now, with};

static BEGUN: Semaphore = Semaphore::const_new(0);
static GO_ON: Notify = Notify::const_new();

/// Waits until it is told to go on, and says whose it is.
#[mcp_tool]
async fn slow(cx: ToolContext) -> ToolResult<String> {
    BEGUN.add_permits(1);
    GO_ON.notified().await;
    Ok(format!("done for {}", cx.user()))
}

/// Tells of its progress.
#[mcp_tool]
async fn report(cx: ToolContext) -> ToolResult<String> {
    for step in 0..5 {
        let told = format!("step {step} of {}", cx.user());
        cx.progress(f64::from(step), Some(5.0), Some(&told)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(cx.user().to_owned())
}

fn jwt(url: &str, key: &SigningKey) -> JwtAuthenticatorBuilder {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(jwk_set(&[key]))
        .tenant_claim("org_id")
}

async fn server(
    key: &SigningKey,
    auth: impl FnOnce(JwtAuthenticatorBuilder) -> JwtAuthenticatorBuilder,
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Endpoint {
    Endpoint::start(
        |url: &str| auth(jwt(url, key)).build().unwrap(),
        |server| {
            configure(
                server
                    .tools(tools![slow, report])
                    .failed_authentications(0, Duration::ZERO),
            )
        },
    )
    .await
}

async fn plain(key: &SigningKey) -> Endpoint {
    server(key, |auth| auth, |server| server).await
}

/// Whether the token names somebody.
async fn is_accepted(endpoint: &Endpoint, token: &str) -> bool {
    let answer = endpoint.call(token, "whoami", json!({})).await;
    match answer.status.as_u16() {
        200 => answer.is_result(),
        401 => {
            answer.assert_safe();
            false
        }
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_token_that_could_be_read_in_two_ways_is_none() {
    let key = SigningKey::ed();
    let endpoint = plain(&key).await;
    let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, key.id);
    let right = claims(&endpoint.url, "alice").to_string();
    assert!(is_accepted(&endpoint, &key.sign_texts(&header, &right)).await);
    // Each member once more, in front and behind, plainly and spelled in another way.
    let more = [
        format!(r#""org_id":"{BETA}""#),
        format!(r#""\u006frg_id":"{BETA}""#),
        r#""sub":"mallory""#.to_owned(),
        r#""iss":"https://evil.test""#.to_owned(),
        format!(r#""aud":"{}""#, endpoint.url),
        r#""exp":99999999999"#.to_owned(),
        r#""scope":"tickets:write""#.to_owned(),
        r#""x":{"a":1,"a":2}"#.to_owned(),
    ];
    for more in more {
        for doubled in [
            right.replacen('{', &format!("{{{more},"), 1),
            format!("{},{more}}}", &right[..right.len() - 1]),
        ] {
            assert!(
                !is_accepted(&endpoint, &key.sign_texts(&header, &doubled)).await,
                "{doubled}"
            );
        }
    }
    for header in [
        r#"{"alg":"EdDSA","alg":"none"}"#.to_owned(),
        r#"{"alg":"none","alg":"EdDSA"}"#.to_owned(),
        format!(r#"{{"alg":"EdDSA","kid":"other","kid":"{}"}}"#, key.id),
        r#"{"alg":"EdDSA","crit":[]}"#.to_owned(),
        r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#.to_owned(),
        r#"{"alg":["EdDSA"]}"#.to_owned(),
        r#"{"alg":null}"#.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
    ] {
        assert!(
            !is_accepted(&endpoint, &key.sign_texts(&header, &right)).await,
            "{header}"
        );
    }
    // RFC 7797: claims that are not encoded.
    let unencoded = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","b64":false}"#);
    assert!(
        !is_accepted(
            &endpoint,
            &key.sign_parts(&unencoded, &right.replace('.', ""))
        )
        .await
    );
    // A key or an address of keys that the token brings along is nobody's.
    let mallory = SigningKey::ed();
    for brought in [
        format!(r#""jwk":{}"#, mallory.jwk()),
        r#""jku":"http://127.0.0.1:1/keys""#.to_owned(),
        r#""x5u":"http://127.0.0.1:1/chain""#.to_owned(),
        r#""x5c":["MIIB"]"#.to_owned(),
        r#""x5t":"AAAA","x5t#S256":"AAAA""#.to_owned(),
    ] {
        for named in [
            format!(r#","kid":"{}""#, key.id),
            format!(r#","kid":"{}""#, mallory.id),
            String::new(),
        ] {
            let header = format!(r#"{{"alg":"EdDSA"{named},{brought}}}"#);
            assert!(
                !is_accepted(&endpoint, &mallory.sign_texts(&header, &right)).await,
                "{header}"
            );
        }
    }
    for kid in [
        "../../etc/passwd",
        "' OR 1=1 --",
        "http://127.0.0.1:1/",
        "\\u0000",
        &"k".repeat(9000),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        assert!(
            !is_accepted(&endpoint, &mallory.sign_texts(&header, &right)).await,
            "{kid}"
        );
    }
}

#[tokio::test]
async fn a_claim_of_another_form_is_not_taken_for_the_right_one() {
    let key = SigningKey::ed();
    let endpoint = plain(&key).await;
    let right = || claims(&endpoint.url, "alice");
    let url = || json!(endpoint.url);
    for (name, value) in [
        ("aud", json!([[endpoint.url]])),
        ("aud", json!([url(), 7])),
        ("aud", json!([])),
        ("aud", json!({ "0": endpoint.url })),
        ("aud", json!(format!("{} other", endpoint.url))),
        ("aud", json!(format!("{}/", endpoint.url))),
        ("aud", json!(endpoint.url.to_uppercase())),
        ("aud", json!(true)),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!(1e300)),
        ("exp", json!(-1e300)),
        ("exp", json!([now() + 60])),
        (
            "exp",
            json!({ "$serde_json::private::Number": "99999999999" }),
        ),
        ("exp", json!(true)),
        ("nbf", json!(now() + 3600)),
        ("nbf", json!((now() + 3600) as f64 + 0.5)),
        ("nbf", json!(1e300)),
        ("nbf", json!("0")),
        ("iss", json!({ "iss": ISSUER })),
        ("iss", json!(format!("{ISSUER}#x"))),
        ("sub", json!(["alice"])),
        ("sub", json!("alice\u{0}")),
        ("sub", json!("ali\nce")),
        ("sub", json!("\u{1b}[2J")),
        ("org_id", json!({ "id": ACME })),
        ("org_id", json!([[ACME]])),
        ("org_id", json!(format!("{ACME}\u{0}"))),
        ("org_id", json!(format!("{ACME} "))),
        ("org_id", json!(format!("urn:uuid:{ACME}"))),
        ("org_id", json!(ACME.replace('-', ""))),
        ("org_id", json!(1e10)),
        ("org_id", json!(true)),
        ("scope", json!({ "tickets:read": true })),
        ("scope", json!([["tickets:read"]])),
    ] {
        let token = key.sign(&with(right(), name, value.clone()));
        assert!(!is_accepted(&endpoint, &token).await, "{name}: {value}");
    }
    // What is only written in another way is the same.
    for (name, value) in [
        ("exp", json!(now() as f64 + 60.5)),
        ("nbf", json!(now() as f64 - 60.5)),
        ("aud", json!(["other", endpoint.url])),
        ("org_id", json!(ACME.to_uppercase())),
    ] {
        let token = key.sign(&with(right(), name, value.clone()));
        assert!(is_accepted(&endpoint, &token).await, "{name}: {value}");
    }
    for (kind, accepted, refused) in [
        (
            TenantKind::Text,
            vec![json!("a"), json!("x".repeat(128))],
            vec![
                json!("x".repeat(129)),
                json!("a\u{0}b"),
                json!("a b"),
                json!("a/b"),
                json!("\u{e4}"),
                json!(["a"]),
                json!(7),
            ],
        ),
        (
            TenantKind::Bigint,
            vec![json!(7), json!(i64::MAX), json!(-1)],
            vec![
                json!(9_223_372_036_854_775_808_u64),
                json!(7.0),
                json!(7e0),
                json!("7"),
                json!([7]),
                Value::Null,
            ],
        ),
    ] {
        let endpoint = server(&key, |auth| auth.tenant_kind(kind), |server| server).await;
        let of = |tenant: &Value| {
            let claims = claims(&endpoint.url, "alice");
            key.sign(&with(claims, "org_id", tenant.clone()))
        };
        for tenant in accepted {
            assert!(is_accepted(&endpoint, &of(&tenant)).await, "{tenant}");
        }
        for tenant in refused {
            assert!(!is_accepted(&endpoint, &of(&tenant)).await, "{tenant}");
        }
    }
}

/// Two issuers call their keys the same, and their organisations.
#[tokio::test]
async fn the_key_id_of_one_issuer_is_not_anothers() {
    let (one, two) = (SigningKey::ed().with_id("k"), SigningKey::ed().with_id("k"));
    let space = |name: &str| TenantSpace::prefixed(name);
    let endpoint = Endpoint::start(
        |url: &str| {
            let of = |issuer: &str, key: &SigningKey, name| {
                let auth = jwt(url, key).issuer(issuer).tenant_space(space(name));
                auth.build().unwrap()
            };
            Issuers::new([of(ISSUER, &one, "one"), of("https://two.test", &two, "two")]).unwrap()
        },
        |server| server,
    )
    .await;
    let of = |issuer: &str| with(claims(&endpoint.url, "alice"), "iss", json!(issuer));
    assert!(is_accepted(&endpoint, &one.sign(&of(ISSUER))).await);
    assert!(is_accepted(&endpoint, &two.sign(&of("https://two.test"))).await);
    assert!(!is_accepted(&endpoint, &one.sign(&of("https://two.test"))).await);
    assert!(!is_accepted(&endpoint, &two.sign(&of(ISSUER))).await);
    // One reader would take the first issuer, another the last.
    let header = r#"{"alg":"EdDSA","kid":"k"}"#;
    let claims = of(ISSUER).to_string();
    let both = claims.replacen('{', r#"{"iss":"https://two.test","#, 1);
    for key in [&one, &two] {
        assert!(!is_accepted(&endpoint, &key.sign_texts(header, &both)).await);
    }
}

#[tokio::test]
async fn odd_messages_are_answered_and_reach_nothing() {
    let key = SigningKey::ed();
    let endpoint = plain(&key).await;
    let token = key.sign(&claims(&endpoint.url, "alice"));
    let bearer = format!("Bearer {token}");
    let headers = |content_type: &'static str| {
        [
            ("authorization", bearer.clone()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("content-type", content_type.to_owned()),
        ]
    };
    let post = async |content_type: &'static str, body: String| {
        let headers = headers(content_type);
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        endpoint.send(Method::POST, &headers, body).await
    };
    // The scope of `close_ticket` is lacking; no spelling of the message gets around that.
    let closing = |rest: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"close_ticket"{rest}}}}}"#
        )
    };
    let spelled = [
        closing(""),
        closing(r#","arguments":{}"#),
        closing(r#","arguments":{"a":1,"a":2}"#),
        closing(r#","name":"repeat""#),
        closing("").replace("close_ticket", r"close\u005fticket"),
        closing("").replace("tools/call", r"tools\/call"),
        closing("").replace("method", r"\u006dethod"),
        closing("").replace(r#""name""#, r#""\u006eame""#),
        format!("[{}]", closing("")),
        format!("\u{feff}{}", closing("")),
        format!("{}\n{}", closing(""), closing("")),
        closing("").replace("close_ticket", "close_ticket "),
        closing("").replace("close_ticket", "Close_Ticket"),
        closing("").replace("close_ticket", r"close_ticket\u0000"),
        closing("").replace(r#""id":1"#, r#""id":null"#),
        closing("").replace(r#""id":1,"#, ""),
        closing("").replace(r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#),
    ];
    let types = [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-16",
        "application/json;",
        " application/json ",
        "application/jsonx",
        "application/json-rpc",
        "application/vnd.api+json",
        "application/json, application/json",
        "text/plain",
        "",
    ];
    for content_type in types {
        for body in &spelled {
            let answer = post(content_type, body.clone()).await;
            assert!(!answer.is_result(), "{content_type}: {body}: {answer:?}");
            assert!(
                answer.status.as_u16() < 500,
                "{content_type}: {body}: {answer:?}"
            );
            assert!(
                !answer.body.contains("alice"),
                "{content_type}: {body}: {answer:?}"
            );
        }
    }
    // Ids are whatever the client likes; the answer is to a number or a text, or to none.
    for id in [
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!("x"),
        json!("x".repeat(100_000)),
        json!("\u{0}\n\u{202e}"),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "whoami", "arguments": {} } });
        let answer = endpoint.post(&token, &message).await;
        assert!(answer.is_result(), "{answer:?}");
        assert_eq!(answer.json()["id"], id);
    }
    for id in [
        "1.5",
        "1e400",
        "18446744073709551616",
        "true",
        "{}",
        "[1]",
        r#"{"a":[]}"#,
        "[[[[[[1]]]]]]",
    ] {
        let body = closing("").replace(r#""id":1"#, &format!(r#""id":{id}"#));
        let answer = post("application/json", body).await;
        assert!(
            answer.status.as_u16() < 500 && !answer.is_result(),
            "{id}: {answer:?}"
        );
    }
    for params in [
        json!(null),
        json!([]),
        json!(["whoami"]),
        json!("whoami"),
        json!({ "name": null }),
        json!({ "name": {} }),
        json!({ "name": "whoami", "arguments": [] }),
        json!({ "name": "whoami", "arguments": "x" }),
        json!({ "name": "whoami", "_meta": 7 }),
        json!({ "name": "whoami", "_meta": { "progressToken": {} } }),
        json!({ "name": "x".repeat(500_000) }),
    ] {
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = endpoint.post(&token, &message).await;
        assert!(answer.status.as_u16() < 500, "{params}: {answer:?}");
        assert!(answer.body.len() < 10_000, "a large name comes back");
    }
    // Headers that contradict the message, or name another protocol.
    for (name, value) in [
        ("mcp-protocol-version", "1999-01-01"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-protocol-version", "\u{e4}"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "repeat"),
        ("mcp-session-id", "other"),
        ("last-event-id", "0/1"),
    ] {
        let headers = [("authorization", bearer.as_str()), (name, value)];
        let answer = endpoint
            .post_with(&headers, &call("close_ticket", json!({})))
            .await;
        assert!(
            answer.status.as_u16() < 500 && !answer.is_result(),
            "{name}: {answer:?}"
        );
    }
    assert!(is_accepted(&endpoint, &token).await);
}

fn sees_only(answer: &Answer, own: &str, other: &str) {
    assert!(
        answer.body.contains(own) && !answer.body.contains(other),
        "{answer:?}"
    );
}

#[tokio::test]
async fn nobody_cancels_a_call_of_another_tenant_by_its_number() {
    let key = SigningKey::ed();
    for legacy in [false, true] {
        let endpoint =
            Arc::new(server(&key, |auth| auth, |server| server.legacy_sessions(legacy)).await);
        let of = |tenant: &str, user: &str| {
            key.sign(&with(claims(&endpoint.url, user), "org_id", json!(tenant)))
        };
        let (alice, bob) = (of(ACME, "alice"), of(BETA, "bob"));
        let opened = async |token: &str| match legacy {
            false => None,
            true => {
                let answer = endpoint.post(token, &initialize()).await;
                Some(answer.header("mcp-session-id").unwrap().to_owned())
            }
        };
        let (hers, his) = (opened(&alice).await, opened(&bob).await);
        let running = tokio::spawn({
            let (endpoint, alice, hers) = (Arc::clone(&endpoint), alice.clone(), hers.clone());
            async move { within(&endpoint, &alice, hers.as_deref(), &call("slow", json!({}))).await }
        });
        BEGUN.acquire().await.unwrap().forget();
        let cancel = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1, "reason": "mine now" },
        });
        within(&endpoint, &bob, his.as_deref(), &cancel).await;
        // Hers is not his to use either.
        if let Some(hers) = &hers {
            let stolen = within(&endpoint, &bob, Some(hers), &cancel).await;
            assert_eq!(stolen.status, 404);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!running.is_finished());
        GO_ON.notify_one();
        let answer = running.await.unwrap();
        assert!(
            answer.body.contains("done for alice"),
            "{legacy}: {answer:?}"
        );
    }
}

async fn within(
    endpoint: &Endpoint,
    token: &str,
    session: Option<&str>,
    message: &Value,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str())];
    if let Some(session) = session {
        headers.extend([
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ]);
    }
    endpoint.post_with(&headers, message).await
}

#[tokio::test]
async fn progress_goes_to_whoever_asked_for_it_whatever_they_call_it() {
    let key = SigningKey::ed();
    let endpoint = server(&key, |auth| auth, |server| server.json_response(false)).await;
    let of = |tenant: &str, user: &str| {
        key.sign(&with(claims(&endpoint.url, user), "org_id", json!(tenant)))
    };
    let (alice, bob) = (of(ACME, "alice"), of(BETA, "bob"));
    let mut message = call("report", json!({}));
    message["params"]["_meta"] = json!({ "progressToken": "p" });
    for _ in 0..10 {
        let (hers, his) = tokio::join!(
            endpoint.post(&alice, &message),
            endpoint.post(&bob, &message)
        );
        sees_only(&hers, "step 4 of alice", "bob");
        sees_only(&his, "step 4 of bob", "alice");
    }
}

#[tokio::test]
async fn opening_sessions_is_limited_by_tenant() {
    let key = SigningKey::ed();
    let endpoint = server(
        &key,
        |auth| auth,
        |server| server.legacy_sessions(true).calls_per_second(5),
    )
    .await;
    let of = |tenant: &str, user: String| {
        key.sign(&with(claims(&endpoint.url, &user), "org_id", json!(tenant)))
    };
    // As many users as they like; the tenant is one.
    let flood: Vec<String> = (0..60)
        .map(|number| of(ACME, format!("user {number}")))
        .collect();
    let opening = flood.iter().map(|token| async {
        let answer = endpoint.post(token, &initialize()).await;
        if answer.status == 429 {
            answer.assert_safe();
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.header("mcp-session-id"), None);
        }
        answer.status.as_u16()
    });
    let statuses = join_all(opening).await;
    let opened = statuses.iter().filter(|status| **status == 200).count();
    // Ten at once, and five for each second that all of it took.
    assert!((10..45).contains(&opened), "{opened}");
    assert_eq!(
        statuses.iter().filter(|status| **status == 429).count(),
        60 - opened
    );
    // Another tenant opens one all the same.
    let other = endpoint
        .post(&of(BETA, "bob".to_owned()), &initialize())
        .await;
    assert_eq!(other.status, 200);
}
