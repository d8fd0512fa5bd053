//! A watertight server on a loopback port, with tools to provoke it, and ways to talk to it.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use rmcp::RoleClient;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use watertight::auth::Authenticator;
use watertight::{Server, ServerBuilder, ToolContext, ToolError, ToolResult, mcp_tool, tools};

/// Says who is calling.
#[mcp_tool(requires = "tickets:read", read_only)]
pub async fn whoami(cx: ToolContext) -> ToolResult<String> {
    Ok(cx.user().to_owned())
}

/// Repeats a text some times.
#[mcp_tool]
pub async fn repeat(
    text: String,
    #[tool(range(1..=100), default = 1)] times: u32,
) -> ToolResult<String> {
    Ok(text.repeat(times as usize))
}

/// Fails in the named way.
#[mcp_tool]
pub async fn fail(how: String) -> ToolResult<String> {
    match how.as_str() {
        "panic" => panic!("canary-panic"),
        "not_found" => Err(ToolError::not_found().because("canary-cause")),
        "invalid" => {
            Err(ToolError::invalid_argument("how", "a way to fail").because("canary-cause"))
        }
        "conflict" => Err(ToolError::conflict("it is closed").because("canary-cause")),
        "denied" => Err(ToolError::denied().because("canary-cause")),
        "busy" => Err(ToolError::busy().because("canary-cause")),
        "unavailable" => Err(ToolError::unavailable().because("canary-cause")),
        "printed" => {
            let error = ToolError::internal("canary-cause");
            let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            Ok(format!("{text} reference"))
        }
        _ => Err(ToolError::internal("canary-cause")),
    }
}

/// Needs a scope that the usual token lacks.
#[mcp_tool(requires = "tickets:write")]
pub async fn close_ticket(cx: ToolContext) -> ToolResult<String> {
    Ok(cx.user().to_owned())
}

/// Tools written with rmcp alone.
#[derive(Clone, Debug)]
pub struct Foreign;

/// Arguments of a foreign tool.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Count {
    count: u32,
}

#[allow(
    missing_docs,
    reason = "the macro makes `tool_router` public without a comment"
)]
#[rmcp::tool_router(vis = "pub")]
impl Foreign {
    /// The caller, by our extractor.
    #[rmcp::tool]
    async fn foreign_whoami(&self, cx: ToolContext) -> String {
        cx.user().to_owned()
    }

    /// Counts.
    #[rmcp::tool]
    async fn foreign_count(&self, Parameters(Count { count }): Parameters<Count>) -> String {
        count.to_string()
    }

    /// Fails with words of its own.
    #[rmcp::tool]
    async fn foreign_failure(&self) -> Result<String, rmcp::ErrorData> {
        Err(rmcp::ErrorData::internal_error("canary-foreign", None))
    }

    /// Panics.
    #[rmcp::tool]
    async fn foreign_panic(&self) -> String {
        panic!("canary-foreign-panic")
    }

    /// Returns what looks like another tool's secret.
    #[rmcp::tool]
    async fn foreign_leak(&self) -> String {
        format!("your tenant is {}", crate::identity::ACME.to_uppercase())
    }
}

/// A server that serves until it is dropped.
#[derive(Debug)]
pub struct Endpoint {
    /// The resource, `http://127.0.0.1:PORT/mcp`, which is also the tokens' audience.
    pub url: String,
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Endpoint {
    /// Serves the tools of this module, with whatever else `configure` does.
    pub async fn start<A: Authenticator>(
        authenticator: impl FnOnce(&str) -> A,
        configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        Self::start_at("/mcp", authenticator, configure).await
    }

    /// The same under another path.
    pub async fn start_at<A: Authenticator>(
        path: &str,
        authenticator: impl FnOnce(&str) -> A,
        configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let url = format!("{origin}{path}");
        let builder = Server::builder()
            .name("test")
            .version("1.2.3")
            .tools(tools![whoami, repeat, fail, close_ticket])
            .mount(Foreign, Foreign::tool_router())
            .authenticator(authenticator(&url))
            .resource(&url);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = configure(builder)
            .build()
            .unwrap()
            .with_graceful_shutdown(async {
                // Stopped, or the endpoint was dropped.
                let _ = stopped.await;
            });
        let served = tokio::spawn(async { server.serve_listener(listener).await.unwrap() });
        Self {
            url,
            origin,
            stop: Some(stop),
            served,
        }
    }

    /// A server that is served already, under this address.
    pub fn of(url: String, served: JoinHandle<()>) -> Self {
        let origin = url.trim_end_matches("/mcp").to_owned();
        Self {
            url,
            origin,
            stop: None,
            served,
        }
    }

    /// Stops the server in good order, and says whether it ended in time.
    pub async fn stop(mut self) -> bool {
        drop(self.stop.take());
        tokio::time::timeout(Duration::from_secs(10), self.served)
            .await
            .is_ok()
    }

    /// Sends a request as it is.
    pub async fn send(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        self.send_to(&self.url, method, headers, body).await
    }

    /// As [`Endpoint::send`], to any address.
    pub async fn send_to(
        &self,
        url: &str,
        method: Method,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let request = reqwest::Client::new()
            .request(method, url)
            .headers(map)
            .body(body);
        let response = request
            .timeout(Duration::from_secs(20))
            .send()
            .await
            .unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Posts a JSON-RPC message with a token.
    pub async fn post(&self, token: &str, message: &Value) -> Answer {
        self.post_with(
            &[(AUTHORIZATION.as_str(), &format!("Bearer {token}"))],
            message,
        )
        .await
    }

    /// Posts a JSON-RPC message with these headers beside the ones that the transport demands.
    pub async fn post_with(&self, headers: &[(&str, &str)], message: &Value) -> Answer {
        let mut all = vec![
            (ACCEPT.as_str(), "application/json, text/event-stream"),
            (CONTENT_TYPE.as_str(), "application/json"),
        ];
        all.extend_from_slice(headers);
        self.send(Method::POST, &all, message.to_string()).await
    }

    /// Calls a tool without any ceremony, as clients of the older protocol do.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Answer {
        self.post(token, &call(tool, arguments)).await
    }

    /// An rmcp client that begins with `initialize`.
    pub async fn legacy_client(&self, token: &str) -> RunningService<RoleClient, ClientConfig> {
        self.client(token, ClientLifecycleMode::Initialize).await
    }

    /// An rmcp client of 2026-07-28, which does not.
    pub async fn modern_client(&self, token: &str) -> RunningService<RoleClient, ClientConfig> {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        self.client(token, ClientLifecycleMode::Discover { preferred_versions })
            .await
    }

    async fn client(
        &self,
        token: &str,
        mode: ClientLifecycleMode,
    ) -> RunningService<RoleClient, ClientConfig> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.clone());
        config.auth_header = Some(token.to_owned());
        config.custom_headers = HashMap::new();
        let transport = StreamableHttpClientTransport::from_config(config);
        serve_client_with_lifecycle(ClientConfig::default(), transport, mode)
            .await
            .unwrap()
    }
}

/// A `tools/call`.
pub fn call(tool: &str, arguments: Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    })
}

/// An `initialize` of the era before 2026-07-28.
pub fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" },
        },
    })
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The one JSON-RPC message of a stream of events.
    pub fn event(&self) -> Value {
        let data = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let data = data.map(str::trim).find(|data| !data.is_empty());
        serde_json::from_str(data.unwrap_or_else(|| panic!("no event: {self:?}"))).unwrap()
    }

    /// The text of a tool's result.
    pub fn text(&self) -> String {
        let text = self.json()["result"]["content"][0]["text"].clone();
        text.as_str()
            .unwrap_or_else(|| panic!("no text: {self:?}"))
            .to_owned()
    }

    /// Whether it is a tool's result and not an error.
    pub fn is_result(&self) -> bool {
        self.status == StatusCode::OK
            && self.body.contains("\"result\"")
            && !self.body.contains("\"isError\":true")
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// That the answer has a reference and nothing of the tenants or of what was planted.
    #[track_caller]
    pub fn assert_safe(&self) {
        let everything = format!("{:?} {}", self.headers, self.body).to_lowercase();
        for secret in [
            crate::identity::ACME,
            crate::identity::BETA,
            "canary",
            "panicked",
        ] {
            assert!(!everything.contains(secret), "{secret} in {self:?}");
        }
        assert!(everything.contains("reference"), "no reference: {self:?}");
    }
}
