//! Who is told of a change: two tenants listen to one URI, in both eras.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use watertight::auth::JwtAuthenticator;
use watertight::{Contents, ToolContext, ToolResult, mcp_resource, mcp_tool, resources, tools};
use watertight_e2e::endpoint::{Endpoint, initialize};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, now, with};

/// A note.
#[mcp_resource("note://{id}")]
async fn note(id: u32) -> ToolResult<Contents> {
    Ok(Contents::text(id.to_string()))
}

/// Needs a scope that the usual token lacks.
#[mcp_resource("secret://{id}", requires = "tickets:write")]
async fn secret(id: u32) -> ToolResult<Contents> {
    Ok(Contents::text(id.to_string()))
}

/// Changes a note.
#[mcp_tool]
async fn change(cx: ToolContext, uri: String) -> ToolResult<String> {
    cx.notify_resource_updated(&uri);
    Ok("changed".to_owned())
}

struct World {
    endpoint: Endpoint,
    key: SigningKey,
}

impl World {
    async fn new(legacy: bool) -> Self {
        let key = SigningKey::ed();
        let keys = jwk_set(&[&key]);
        let auth = move |url: &str| {
            JwtAuthenticator::builder()
                .issuer(ISSUER)
                .audience(url)
                .jwk_set(keys)
                .tenant_claim("org_id")
                .leeway(Duration::ZERO)
                .build()
                .unwrap()
        };
        let endpoint = Endpoint::start(auth, |server| {
            server
                .tools(tools![change])
                .resources(resources![note, secret])
                .legacy_sessions(legacy)
        })
        .await;
        Self { endpoint, key }
    }

    fn token(&self, tenant: &str, subject: &str) -> String {
        let claims = claims(&self.endpoint.url, subject);
        self.key.sign(&with(claims, "org_id", json!(tenant)))
    }

    async fn change(&self, tenant: &str, uri: &str) {
        let token = self.token(tenant, "writer");
        let answer = self
            .endpoint
            .call(&token, "change", json!({ "uri": uri }))
            .await;
        // Over a legacy server without a session id the answer may be an event.
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A stream of 2026-07-28.
    async fn listen(&self, token: &str, uris: &[&str]) -> Events {
        let message = json!({
            "jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen",
            "params": {
                "notifications": { "resourceSubscriptions": uris },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
                },
            },
        });
        let request = reqwest::Client::new()
            .post(&self.endpoint.url)
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
            .json(&message);
        Events::of(request).await
    }

    /// A session of the older eras, with its stream.
    async fn session(&self, token: &str) -> (String, Events) {
        let opened = self.endpoint.post(token, &initialize()).await;
        let resources = &opened.event()["result"]["capabilities"]["resources"];
        assert_eq!(resources["subscribe"], json!(true));
        let id = opened.header("mcp-session-id").unwrap().to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.within(token, &id, &ready).await.0, 202);
        let request = reqwest::Client::new()
            .get(&self.endpoint.url)
            .bearer_auth(token)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("mcp-session-id", &id);
        (id, Events::of(request).await)
    }

    async fn within(&self, token: &str, id: &str, message: &Value) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-session-id", id),
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        let answer = self
            .endpoint
            .send(Method::POST, &headers, message.to_string())
            .await;
        (answer.status.as_u16(), answer.body)
    }
}

fn subscribe(method: &str, uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 5, "method": method, "params": { "uri": uri } })
}

/// The messages of a stream, as they come.
struct Events {
    status: u16,
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = String> + Send>>,
    read: String,
}

impl Events {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes_stream();
        let body = body.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap());
        Self {
            status,
            body: Box::pin(body),
            read: String::new(),
        }
    }

    /// The next message; `None` at the end, or if none comes for a while.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let message = data.and_then(|data| serde_json::from_str(data.trim()).ok());
                self.read = rest.to_owned();
                match message {
                    Some(message) => return Some(message),
                    None => continue,
                }
            }
            if let Ok(message) = serde_json::from_str(&self.read) {
                self.read.clear();
                return Some(message);
            }
            let wait = Duration::from_millis(1500);
            let piece = tokio::time::timeout(wait, self.body.next()).await.ok()??;
            self.read.push_str(&piece);
        }
    }

    async fn updated(&mut self) -> Option<String> {
        let message = self.next().await?;
        assert_eq!(
            message["method"], "notifications/resources/updated",
            "{message}"
        );
        Some(message["params"]["uri"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_stream_hears_of_its_own_tenant_alone() {
    let world = World::new(false).await;
    let uris = ["note://1", "note://2", "nothing://1"];
    let mut acme = world.listen(&world.token(ACME, "alice"), &uris).await;
    let mut beta = world.listen(&world.token(BETA, "alice"), &uris).await;
    for events in [&mut acme, &mut beta] {
        let accepted = events.next().await.unwrap();
        assert_eq!(
            accepted["method"],
            "notifications/subscriptions/acknowledged"
        );
        assert_eq!(
            accepted["params"]["notifications"]["resourceSubscriptions"],
            json!(["note://1", "note://2"])
        );
    }
    world.change(ACME, "note://1").await;
    world.change(ACME, "note://3").await;
    world.change(BETA, "note://2").await;
    assert_eq!(acme.updated().await.as_deref(), Some("note://1"));
    assert_eq!(beta.updated().await.as_deref(), Some("note://2"));
    assert_eq!(acme.updated().await, None);
    assert_eq!(beta.updated().await, None);
}

#[tokio::test]
async fn a_stream_needs_the_resources_scopes_and_ends_with_its_token() {
    let world = World::new(false).await;
    let mut denied = world
        .listen(&world.token(ACME, "alice"), &["secret://1"])
        .await;
    let mut last = None;
    while let Some(message) = denied.next().await {
        last = Some(message);
    }
    let told = last.unwrap()["error"]["message"].to_string();
    assert!(told.contains("not permitted"), "{told}");

    let claims = with(
        claims(&world.endpoint.url, "alice"),
        "exp",
        json!(now() + 2),
    );
    let short = world.key.sign(&with(claims, "org_id", json!(ACME)));
    let mut events = world.listen(&short, &["note://1"]).await;
    assert!(events.next().await.is_some());
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.change(ACME, "note://1").await;
    while let Some(message) = events.next().await {
        assert_ne!(
            message["method"], "notifications/resources/updated",
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_legacy_session_hears_of_its_own_tenant_alone() {
    let world = World::new(true).await;
    let (alice, eve) = (world.token(ACME, "alice"), world.token(BETA, "alice"));
    let (acme_id, mut acme) = world.session(&alice).await;
    let (beta_id, mut beta) = world.session(&eve).await;
    for (token, id) in [(&alice, &acme_id), (&eve, &beta_id)] {
        let (status, body) = world
            .within(token, id, &subscribe("resources/subscribe", "note://1"))
            .await;
        assert!(status == 200 && body.contains("\"result\""), "{body}");
        let (_, body) = world
            .within(token, id, &subscribe("resources/subscribe", "nothing://1"))
            .await;
        assert!(body.contains("not found"), "{body}");
        let (_, body) = world
            .within(token, id, &subscribe("resources/subscribe", "secret://1"))
            .await;
        assert!(body.contains("not permitted"), "{body}");
    }
    let token = world.token(ACME, "alice");
    let change = json!({ "jsonrpc": "2.0", "id": 6, "method": "tools/call",
        "params": { "name": "change", "arguments": { "uri": "note://1" } } });
    world.within(&token, &acme_id, &change).await;
    assert_eq!(acme.updated().await.as_deref(), Some("note://1"));
    assert_eq!(beta.updated().await, None);
    world
        .within(
            &alice,
            &acme_id,
            &subscribe("resources/unsubscribe", "note://1"),
        )
        .await;
    world.within(&token, &acme_id, &change).await;
    assert_eq!(acme.updated().await, None);
}

#[tokio::test]
async fn an_event_id_resumes_nothing_for_another_principal() {
    let world = World::new(true).await;
    let alice = world.token(ACME, "alice");
    let (id, _events) = world.session(&alice).await;
    for thief in [world.token(BETA, "alice"), world.token(ACME, "mallory")] {
        let request = reqwest::Client::new()
            .get(&world.endpoint.url)
            .bearer_auth(thief)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .header("mcp-session-id", &id)
            .header("last-event-id", "0");
        assert_eq!(request.send().await.unwrap().status(), 404);
    }
    // Without sessions there are no event ids, and nothing that one could resume.
    let world = World::new(false).await;
    let mut events = world
        .listen(&world.token(ACME, "alice"), &["note://1"])
        .await;
    assert_eq!(events.status, 200);
    let opened = events.body.next().await.unwrap();
    assert!(
        !opened.lines().any(|line| line.starts_with("id:")),
        "{opened}"
    );
    let request = reqwest::Client::new()
        .get(&world.endpoint.url)
        .bearer_auth(world.token(ACME, "alice"))
        .header("accept", "text/event-stream")
        .header("last-event-id", "0");
    assert_eq!(request.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn without_sessions_nobody_subscribes_in_the_older_way() {
    let world = World::new(false).await;
    let alice = world.token(ACME, "alice");
    let opened = world.endpoint.post(&alice, &initialize()).await.json();
    assert_eq!(opened["result"]["capabilities"]["resources"], json!({}));
    let answer = world
        .endpoint
        .post(&alice, &subscribe("resources/subscribe", "note://1"))
        .await;
    assert!(answer.body.contains("not permitted"), "{answer:?}");
}
