//! An rmcp handler of the user's own behind the guard, with methods of ours and of rmcp's side by
//! side; and the same handler mounted in our server. Over real HTTP, in both eras.

use std::sync::Arc;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, ErrorData, ListToolsResult, PaginatedRequestParams};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, tool_handler, tool_router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use watertight::auth::JwtAuthenticator;
use watertight::walk::Walk;
use watertight::{
    Guard, GuardBuilder, Server, ServerError, ToolContext, ToolError, ToolInput, ToolResult,
    mcp_tool, tool, tools,
};
use watertight_e2e::endpoint::{Answer, Endpoint, call};
use watertight_e2e::identity::{ACME, ISSUER, SigningKey, claims, jwk_set, with};

#[derive(Clone)]
struct Desk {
    router: ToolRouter<Self>,
    greeting: &'static str,
}

#[derive(serde::Deserialize, schemars::JsonSchema, ToolInput)]
struct Search {
    text: String,
    #[serde(default)]
    limit: Option<u32>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Count {
    to: u32,
}

#[tool_router]
impl Desk {
    fn new() -> Self {
        Self {
            router: Self::tool_router(),
            greeting: "hello",
        }
    }

    /// Greets.
    #[tool(read_only)]
    async fn greet(
        &self,
        cx: ToolContext,
        #[tool(length(..=20))] name: String,
        #[tool(range(1..=3), default = 1)] times: u32,
    ) -> ToolResult<String> {
        let greeting = self.greeting.repeat(times as usize);
        Ok(format!("{greeting} {name}, says {}", cx.user()))
    }

    /// Searches.
    #[tool(name = "desk.search", requires = "desk:search")]
    async fn search(&self, Parameters(search): Parameters<Search>) -> ToolResult<String> {
        Ok(format!("{} {:?}", search.text, search.limit))
    }

    /// Fails in the named way.
    #[tool]
    async fn fails(&self, cx: ToolContext, how: String) -> ToolResult<String> {
        match how.as_str() {
            "panic" => panic!("canary"),
            "leak" => Ok(format!("of {ACME}")),
            "read" => cx.read().await.map(|_| String::new()).map_err(Into::into),
            _ => Err(ToolError::internal("canary")),
        }
    }

    /// Who calls, by rmcp's own attribute.
    #[rmcp::tool]
    async fn whose(&self, cx: ToolContext, Parameters(Count { to }): Parameters<Count>) -> String {
        format!("{} {to} {}", cx.user(), cx.has_scope("desk"))
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Desk {
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        watertight::list_tools(&self.router, &context)
    }
}

fn authenticator(url: &str, key: &SigningKey) -> JwtAuthenticator {
    JwtAuthenticator::builder()
        .issuer(ISSUER)
        .audience(url)
        .jwk_set(jwk_set(&[key]))
        .tenant_claim("org_id")
        .build()
        .unwrap()
}

fn guard(url: &str, key: &SigningKey) -> GuardBuilder {
    let guard = Guard::builder().authenticator(authenticator(url, key));
    guard.resource(url).tools(&Desk::tool_router())
}

/// The handler behind the guard alone, with nothing else of ours.
async fn serve(
    key: &SigningKey,
    configure: impl FnOnce(GuardBuilder) -> GuardBuilder,
) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let guard = configure(guard(&url, key)).build().unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    let sessions = Arc::<NeverSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Desk::new()), sessions, config);
    let app = Router::new()
        .route_service("/mcp", guard.protect(mcp))
        .merge(guard.metadata_routes());
    let served = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    (url, served)
}

/// Both ways to serve the same methods.
async fn both(key: &SigningKey) -> [Endpoint; 2] {
    let (url, served) = serve(key, |guard| guard).await;
    let mounted = Endpoint::start(
        |url| authenticator(url, key),
        |server| server.mount(Desk::new(), Desk::tool_router()),
    )
    .await;
    [Endpoint::of(url, served), mounted]
}

fn token(key: &SigningKey, url: &str, scope: &str) -> String {
    key.sign(&with(claims(url, "alice"), "scope", json!(scope)))
}

async fn names(endpoint: &Endpoint, token: &str) -> Vec<String> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = endpoint.post(token, &list).await;
    let listed = answer.json()["result"]["tools"].clone();
    let listed = listed.as_array().unwrap().clone();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    listed.iter().map(name).collect()
}

#[tokio::test]
async fn methods_of_both_kinds_side_by_side() {
    let key = SigningKey::ed();
    for endpoint in both(&key).await {
        let token = token(&key, &endpoint.url, "desk:search");
        let said = |answer: Answer| {
            assert!(answer.is_result(), "{answer:?}");
            answer.text()
        };
        let call = |tool, arguments| endpoint.call(&token, tool, arguments);
        let answer = call("greet", json!({ "name": "bob", "times": 2 })).await;
        assert!(said(answer).contains("hellohello bob, says alice"));
        let answer = call("greet", json!({ "name": "bob" })).await;
        assert!(said(answer).contains("hello bob, says alice"));
        let answer = call("desk.search", json!({ "text": "x" })).await;
        assert!(said(answer).contains("x None"));
        let answer = call("whose", json!({ "to": 3 })).await;
        assert!(said(answer).contains("alice 3 false"));
    }
}

#[tokio::test]
async fn clients_of_both_eras_call_a_method() {
    let key = SigningKey::ed();
    for endpoint in both(&key).await {
        let token = token(&key, &endpoint.url, "desk:search");
        for client in [
            endpoint.legacy_client(&token).await,
            endpoint.modern_client(&token).await,
        ] {
            let tools = client.list_all_tools().await.unwrap();
            let greet = tools.iter().find(|tool| tool.name == "greet").unwrap();
            assert_eq!(greet.input_schema["additionalProperties"], false);
            let request = CallToolRequestParams::new("greet");
            let arguments = json!({ "name": "bob" }).as_object().unwrap().clone();
            let answer = client.call_tool(request.with_arguments(arguments)).await;
            let answer = format!("{:?}", answer.unwrap());
            assert!(answer.contains("hello bob, says alice"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_method_is_held_to_what_functions_are_held_to() {
    let key = SigningKey::ed();
    for endpoint in both(&key).await {
        let token = token(&key, &endpoint.url, "desk:search");
        let text = |tool: &'static str, arguments: Value| {
            let (endpoint, token) = (&endpoint, &token);
            async move {
                let answer = endpoint.call(token, tool, arguments).await;
                assert!(answer.body.contains("\"isError\":true"), "{answer:?}");
                answer.assert_safe();
                answer.text()
            }
        };
        let said = text("greet", json!({ "name": "bob", "tenant_id": ACME })).await;
        assert!(
            said.contains("unknown argument; the tool takes `name`, `times`"),
            "{said}"
        );
        let said = text("desk.search", json!({ "text": "x", "orgId": "y" })).await;
        assert!(said.contains("unknown argument; the tool takes"), "{said}");
        let said = text("greet", json!({ "name": "canary canary canary canary" })).await;
        assert!(said.contains("`name`: expected a string"), "{said}");
        let said = text("greet", json!({})).await;
        assert!(said.contains("`name`: missing"), "{said}");
        let said = text("desk.search", json!({ "text": 7 })).await;
        assert!(said.contains("`text`: expected a string"), "{said}");
        for how in ["panic", "leak", "other"] {
            let said = text("fails", json!({ "how": how })).await;
            assert!(said.contains("internal error"), "{how}: {said}");
        }
        let said = text("fails", json!({ "how": "read" })).await;
        assert!(said.contains("unavailable"), "{said}");
    }
}

#[tokio::test]
async fn a_scope_hides_a_method_and_refuses_its_call() {
    let key = SigningKey::ed();
    for endpoint in both(&key).await {
        let with = token(&key, &endpoint.url, "desk:search");
        let without = token(&key, &endpoint.url, "desk");
        assert!(
            names(&endpoint, &with)
                .await
                .contains(&"desk.search".to_owned())
        );
        let listed = names(&endpoint, &without).await;
        assert!(!listed.contains(&"desk.search".to_owned()), "{listed:?}");
        let mut sorted = listed.clone();
        sorted.sort();
        assert_eq!(listed, sorted, "the order is stable");
        let message = call("desk.search", json!({ "text": "x" }));
        let answer = endpoint.post(&without, &message).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.contains("error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(challenge.contains("scope=\"desk:search\""), "{challenge}");
        answer.assert_safe();
        // What the header says does not help: the body is what is called.
        let bearer = format!("Bearer {without}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-name", "greet"),
            ("mcp-method", "tools/call"),
            ("mcp-protocol-version", "2026-07-28"),
        ];
        let answer = endpoint.post_with(&headers, &message).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}

#[tokio::test]
async fn scopes_include_others_where_the_guard_says_so() {
    let key = SigningKey::ed();
    let (url, served) = serve(&key, |guard| {
        guard.scope_separator(':').scope_implies("admin", ["desk"])
    })
    .await;
    let endpoint = Endpoint::of(url, served);
    for scope in ["desk:search", "desk", "admin"] {
        let token = token(&key, &endpoint.url, scope);
        let answer = endpoint
            .call(&token, "desk.search", json!({ "text": "x" }))
            .await;
        assert!(answer.is_result(), "{scope}: {answer:?}");
        assert!(
            names(&endpoint, &token)
                .await
                .contains(&"desk.search".to_owned())
        );
        // The context says the same as the list and the guard.
        let answer = endpoint.call(&token, "whose", json!({ "to": 1 })).await;
        let includes = scope != "desk:search";
        assert!(answer.text().contains(&includes.to_string()), "{answer:?}");
    }
    for scope in ["des", "desk2", "desk:searching", "administrator"] {
        let token = token(&key, &endpoint.url, scope);
        let answer = endpoint
            .call(&token, "desk.search", json!({ "text": "x" }))
            .await;
        assert_eq!(answer.status, 403, "{scope}: {answer:?}");
    }
    let circle = guard(&endpoint.url, &key)
        .scope_implies("a", ["b"])
        .scope_implies("b", ["a"]);
    let said = circle.build().unwrap_err().to_string();
    assert!(said.contains("imply each other"), "{said}");
}

#[tokio::test]
async fn without_the_guard_a_method_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::<NeverSessionManager>::default();
    let mcp = StreamableHttpService::new(|| Ok(Desk::new()), sessions, config);
    let app = Router::new().route_service("/mcp", mcp);
    let served = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let endpoint = Endpoint::of(format!("{origin}/mcp"), served);
    let answer = endpoint
        .call("none", "greet", json!({ "name": "bob" }))
        .await;
    assert!(answer.body.contains("internal error"), "{answer:?}");
    assert!(!answer.body.contains("hello"), "{answer:?}");
}

/// Says hello.
#[mcp_tool]
async fn hello() -> ToolResult<String> {
    Ok("hello".to_owned())
}

#[tokio::test]
async fn a_tenant_among_the_arguments_is_an_unknown_argument_and_a_probe() {
    let key = SigningKey::ed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let server = Server::builder()
        .tools(tools![hello])
        .mount(Desk::new(), Desk::tool_router())
        .authenticator(authenticator(&url, &key))
        .resource(&url)
        .build()
        .unwrap();
    let guard = server.guard().clone();
    let served = tokio::spawn(async { server.serve_listener(listener).await.unwrap() });
    let endpoint = Endpoint::of(url, served);
    let token = token(&key, &endpoint.url, "desk:search");
    let tools = [
        ("hello", json!({})),
        ("greet", json!({ "name": "bob" })),
        ("desk.search", json!({ "text": "x" })),
        ("whose", json!({ "to": 1 })),
    ];
    for (count, (tool, mut arguments)) in tools.into_iter().enumerate() {
        let honest = endpoint.call(&token, tool, arguments.clone()).await;
        assert!(honest.is_result(), "{honest:?}");
        arguments["colour"] = json!("red");
        endpoint.call(&token, tool, arguments.clone()).await;
        assert_eq!(
            guard.probes(),
            count as u64,
            "{tool}: another unknown argument is none"
        );
        arguments["tenant_id"] = json!(ACME);
        let answer = endpoint.call(&token, tool, arguments).await;
        assert!(
            answer.text().contains("unknown argument"),
            "{tool}: {answer:?}"
        );
        answer.assert_safe();
        assert_eq!(guard.probes(), count as u64 + 1, "{tool}");
    }
}

/// A router of someone else's that asks for a tenant.
struct Careless;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Of {
    workspace_id: String,
}

#[tool_router(router = others, vis = "pub")]
impl Careless {
    /// Lists.
    #[rmcp::tool]
    async fn list(&self, Parameters(of): Parameters<Of>) -> String {
        of.workspace_id
    }
}

#[tokio::test]
async fn a_guard_refuses_to_stand_in_front_of_a_tool_that_takes_a_tenant() {
    let key = SigningKey::ed();
    let url = "https://mcp.example.com/mcp";
    let build = |guard: GuardBuilder| guard.tools(&Careless::others()).build();
    let Err(ServerError::Boundary(found)) = build(guard(url, &key)) else {
        panic!("it must not start");
    };
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].starts_with("tool `list`, `workspace_id` (tenant-name): "),
        "{found:?}"
    );
    let reason = "a workspace of the editor, not of ours";
    build(guard(url, &key).allow_argument("list", "workspace_id", reason)).unwrap();
    // The same in a test of one's own, from the router and from what a server answered.
    let findings = Walk::new().router(&Careless::others());
    assert_eq!(findings.len(), 1);
    let listed = json!({ "result": { "tools": Careless::others().list_all() } });
    assert_eq!(Walk::new().tools_list(&listed).unwrap(), findings);
}
