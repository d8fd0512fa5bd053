//! Every kind of content that leaves a server, with the caller's own tenant in it: over HTTP, in
//! JSON and in event streams, and over standard streams. The same content for a caller of another
//! tenant passes, so what withholds it is the tripwire and nothing else.

// Log notifications are on their way out of the protocol, and leave the server until then.
#![allow(deprecated)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    CompletionInfo, ContentBlock, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
    ProgressNotificationParam, Prompt, PromptMessage, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use watertight::auth::{JwtAuthenticator, LauncherAuthenticator};
use watertight::{Guard, Server, TenantId};
use watertight_e2e::identity::{ACME, BETA, ISSUER, SigningKey, claims, jwk_set, with};

/// What a tool says, one way for each kind of content.
const SAID: [&str; 12] = [
    "text",
    "upper",
    "simple",
    "braces",
    "escaped",
    "structured",
    "key",
    "resource",
    "blob",
    "failure",
    "error",
    "error data",
];

async fn say(
    kind: &str,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let text = |text: String| Ok(CallToolResult::success(vec![ContentBlock::text(text)]));
    match kind {
        "text" => text(format!("it is {ACME}")),
        "upper" => text(format!("urn:uuid:{}", ACME.to_uppercase())),
        "simple" => text(format!("https://x.test/{}/1", ACME.replace('-', ""))),
        "braces" => text(format!("{{{ACME}}}")),
        "escaped" => text(format!("{{\"a\":\"{}\"}}", ACME.replace('f', "\\u0066"))),
        "structured" => Ok(CallToolResult::structured(
            json!({ "deep": [{ "id": ACME }] }),
        )),
        "key" => Ok(CallToolResult::structured(json!({ ACME: 1 }))),
        "resource" => Ok(CallToolResult::success(vec![ContentBlock::resource(
            ResourceContents::text("hello", format!("ticket://{ACME}/1")),
        )])),
        "blob" => Ok(CallToolResult::success(vec![ContentBlock::image(
            STANDARD.encode(format!("xy{ACME}")),
            "image/png",
        )])),
        "failure" => Ok(CallToolResult::error(vec![ContentBlock::text(format!(
            "no {ACME}"
        ))])),
        "error" => Err(ErrorData::internal_error(format!("no {ACME}"), None)),
        "error data" => Err(ErrorData::invalid_params("no", Some(json!({ "id": ACME })))),
        "log" => {
            let data = json!({ "said": ACME });
            let note = LoggingMessageNotificationParam::new(LoggingLevel::Error, data);
            context.peer.notify_logging_message(note).await.unwrap();
            text("after the log".to_owned())
        }
        "progress" => {
            let token = context.meta.get_progress_token().unwrap();
            let mut told = ProgressNotificationParam::new(token, 1.0);
            told.message = Some(format!("reading {ACME}"));
            context.peer.notify_progress(told).await.unwrap();
            text("after the progress".to_owned())
        }
        other => panic!("{other}"),
    }
}

/// A server of rmcp's own that tells on its caller in every way.
#[derive(Clone)]
struct Gossip;

impl ServerHandler for Gossip {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder()
                .enable_tools()
                .enable_resources()
                .enable_prompts()
                .enable_completions()
                .build(),
        )
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        say(&request.name, &context).await.map(Into::into)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = Resource::new(format!("ticket://{ACME}/1"), "first");
        Ok(ListResourcesResult::with_all_items(vec![resource]))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new(format!("ticket://{ACME}/{{id}}"), "tickets");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = match request.uri.as_str() {
            "x://text" => ResourceContents::text(format!("of {ACME}"), request.uri),
            "x://blob" => ResourceContents::BlobResourceContents {
                uri: request.uri,
                mime_type: None,
                blob: STANDARD.encode(ACME),
                meta: None,
            },
            _ => {
                return Err(ErrorData::resource_not_found(
                    format!("none of {ACME}"),
                    None,
                ));
            }
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = Prompt::new("greet", Some(format!("for {ACME}")), None);
        Ok(ListPromptsResult::with_all_items(vec![prompt]))
    }

    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let message = PromptMessage::new_text(Role::User, format!("greet {ACME}"));
        Ok(GetPromptResult::new(vec![message]).into())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(CompleteResult::new(
            CompletionInfo::new(vec![ACME.to_owned()]).unwrap(),
        ))
    }
}

#[rmcp::tool_router]
impl Gossip {
    /// Says one thing.
    #[rmcp::tool]
    async fn tell(
        &self,
        rmcp::handler::server::wrapper::Parameters(Kind { kind }): rmcp::handler::server::wrapper::Parameters<Kind>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        say(&kind, &context).await
    }
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Kind {
    kind: String,
}

/// The handler above behind a guard, with a token of each tenant.
struct Ground {
    url: String,
    acme: String,
    beta: String,
}

async fn serve(json: bool) -> Ground {
    let key = SigningKey::ed();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let auth = JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(&url)
        .jwk_set(jwk_set(&[&key]))
        .tenant_claim("org_id")
        .build()
        .unwrap();
    let guard = Guard::builder()
        .authenticator(auth)
        .resource(&url)
        .build()
        .unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(json)
        .disable_allowed_hosts();
    let mcp =
        StreamableHttpService::new(|| Ok(Gossip), Arc::<NeverSessionManager>::default(), config);
    let app = Router::new().route_service("/mcp", guard.protect(mcp));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let acme = key.sign(&claims(&url, "alice"));
    let beta = key.sign(&with(claims(&url, "bob"), "org_id", json!(BETA)));
    Ground { url, acme, beta }
}

impl Ground {
    /// The JSON-RPC messages that come back, and the body as it was.
    async fn ask(&self, token: &str, method: &str, params: Value) -> (Vec<Value>, String) {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let response = reqwest::Client::new()
            .post(&self.url)
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("accept-encoding", "gzip, br")
            .header("content-type", "application/json")
            .body(message.to_string())
            .timeout(Duration::from_secs(20))
            .send()
            .await
            .unwrap();
        assert!(response.headers().get("content-encoding").is_none());
        let events = response.headers()["content-type"] == "text/event-stream";
        let body = response.text().await.unwrap();
        let messages = match events {
            true => body
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .filter(|data| !data.trim().is_empty())
                .map(|data| serde_json::from_str(data).unwrap())
                .collect(),
            false => vec![serde_json::from_str(&body).unwrap()],
        };
        (messages, body)
    }
}

/// Nothing of the tenant is left, in any spelling that this file uses.
fn assert_clean(body: &str, what: &str) {
    let decoded = body.replace("\\\\u0066", "f").replace("\\u0066", "f");
    let lower = decoded.to_lowercase();
    for secret in [ACME.to_owned(), ACME.replace('-', "")] {
        assert!(!lower.contains(&secret), "{what}: {body}");
    }
    for secret in [STANDARD.encode(ACME), STANDARD.encode(format!("xy{ACME}"))] {
        assert!(!body.contains(&secret), "{what}: {body}");
    }
}

/// What is asked for, beside tools.
fn others() -> Vec<(&'static str, Value)> {
    vec![
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "x://text" })),
        ("resources/read", json!({ "uri": "x://blob" })),
        ("resources/read", json!({ "uri": "x://missing" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "greet" })),
        (
            "completion/complete",
            json!({
                "ref": { "type": "ref/prompt", "name": "greet" },
                "argument": { "name": "who", "value": "a" },
            }),
        ),
    ]
}

#[tokio::test]
async fn every_kind_of_answer_is_withheld_over_http() {
    for json in [true, false] {
        let ground = serve(json).await;
        let calls = SAID.map(|kind| ("tools/call", json!({ "name": kind, "arguments": {} })));
        for (method, params) in calls.into_iter().chain(others()) {
            let what = format!("{method} {params}");
            let (messages, body) = ground.ask(&ground.acme, method, params.clone()).await;
            assert_clean(&body, &what);
            let answer = messages.last().unwrap();
            assert_eq!(answer["id"], json!(7), "{what}: {body}");
            assert!(body.contains("reference"), "{what}: {body}");
            let safe = answer
                .pointer("/result/content/0/text")
                .or(answer.pointer("/error/message"));
            let safe = safe.and_then(Value::as_str).unwrap();
            assert!(
                safe.starts_with("internal error (reference "),
                "{what}: {body}"
            );
            // For anyone else these are words like any others.
            let (_, body) = ground.ask(&ground.beta, method, params).await;
            assert!(!body.contains("reference"), "{what}: {body}");
        }
    }
}

#[tokio::test]
async fn notifications_are_withheld_over_http_and_the_answer_comes() {
    let ground = serve(false).await;
    for kind in ["log", "progress"] {
        let params = json!({ "name": kind, "arguments": {}, "_meta": { "progressToken": "p" } });
        let (messages, body) = ground.ask(&ground.acme, "tools/call", params.clone()).await;
        assert_clean(&body, kind);
        assert_eq!(messages.len(), 1, "{kind}: {body}");
        assert!(body.contains("after the"), "{kind}: {body}");
        let (messages, body) = ground.ask(&ground.beta, "tools/call", params).await;
        assert_eq!(messages.len(), 2, "{kind}: {body}");
        assert!(body.contains(ACME), "{kind}: {body}");
    }
}

/// Talks to a server of ours over standard streams; one line for each message.
async fn over_stdio(tenant: &str, calls: &[(&str, Value)]) -> Vec<Vec<Value>> {
    let server = Server::builder()
        .name("gossip")
        .mount(Gossip, Gossip::tool_router())
        .build_stdio(LauncherAuthenticator::new(
            "test",
            "alice",
            TenantId::uuid(tenant.parse().unwrap()),
        ))
        .unwrap();
    let (near, far) = tokio::io::duplex(256 * 1024);
    let (input, output) = tokio::io::split(far);
    let served = tokio::spawn(server.serve_streams(input, output));
    let (from, mut to) = tokio::io::split(near);
    let mut lines = BufReader::new(from).lines();
    let mut answers = Vec::new();
    let hello = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        },
    });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    to.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
    lines.next_line().await.unwrap().unwrap();
    to.write_all(format!("{ready}\n").as_bytes()).await.unwrap();
    for (method, params) in calls {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        to.write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
        let mut messages: Vec<Value> = Vec::new();
        while messages
            .last()
            .is_none_or(|message| message["id"] != json!(7))
        {
            let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
            messages.push(serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap());
        }
        answers.push(messages);
    }
    drop((to, lines));
    served.abort();
    answers
}

fn tell(kind: &str) -> (&'static str, Value) {
    let params = json!({
        "name": "tell",
        "arguments": { "kind": kind },
        "_meta": { "progressToken": "p" },
    });
    ("tools/call", params)
}

#[tokio::test]
async fn every_kind_of_answer_is_withheld_over_stdio() {
    let calls = SAID.map(tell);
    let own = over_stdio(ACME, &calls).await;
    let foreign = over_stdio(BETA, &calls).await;
    for ((kind, own), foreign) in SAID.into_iter().zip(own).zip(foreign) {
        let body = json!(own).to_string();
        assert_clean(&body, kind);
        assert!(body.contains("reference"), "{kind}: {body}");
        // An error of a foreign tool is put into words of ours before anything is looked at.
        if !kind.starts_with("error") {
            let body = json!(foreign).to_string();
            assert!(!body.contains("reference"), "{kind}: {body}");
        }
    }
}

#[tokio::test]
async fn notifications_are_withheld_over_stdio_and_the_answer_comes() {
    let calls = ["log", "progress"].map(tell);
    for messages in over_stdio(ACME, &calls).await {
        let body = json!(messages).to_string();
        assert_clean(&body, "notification");
        assert_eq!(messages.len(), 1, "{body}");
        assert!(body.contains("after the"), "{body}");
    }
    for messages in over_stdio(BETA, &calls).await {
        assert_eq!(messages.len(), 2, "{messages:?}");
    }
}
