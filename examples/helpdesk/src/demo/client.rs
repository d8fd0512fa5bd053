//! The clients: real ones of the protocol's own library, in both eras, and a bare one that can send
//! what no honest client would.

use anyhow::Context;
use reqwest::{Method, StatusCode};
use rmcp::model::{
    CallToolRequestParams, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    RequestMetaObject, Tool,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Which of the protocol's two ways of life a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: no handshake, no session; every request stands alone.
    Modern,
    /// 2025-11-25 and before: `initialize`, then a session.
    Legacy,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Modern, Self::Legacy];
}

/// A connected client of one organisation.
#[derive(Debug)]
pub struct Client {
    peer: RunningService<RoleClient, ()>,
}

/// What came back from a call, whatever it was.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole answer as JSON text, to be searched.
    pub text: String,
    /// Whether it is a tool's error or the protocol's.
    pub is_error: bool,
    /// The structured result.
    pub value: Value,
}

impl Answer {
    /// The rows of a result that is a list.
    pub fn rows(&self) -> &[Value] {
        let list = self.value.get("result").unwrap_or(&self.value);
        list.as_array().map_or(&[], Vec::as_slice)
    }

    /// A text of the first row, or of the result itself.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.rows()
            .first()
            .unwrap_or(&self.value)
            .get(key)?
            .as_str()
    }

    /// The answer without its reference, to compare two refusals.
    pub fn without_reference(&self) -> String {
        let reference = self.reference().unwrap_or_default();
        if reference.is_empty() {
            self.text.clone()
        } else {
            self.text.replace(&reference, "")
        }
    }

    /// The reference that joins an error to the log: 32 hexadecimal digits.
    pub fn reference(&self) -> Option<String> {
        self.text
            .split(|c: char| !c.is_ascii_hexdigit())
            .find(|part| part.len() == 32)
            .map(str::to_owned)
    }
}

impl Client {
    /// Connects with a token.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn connect(url: &str, token: &str, era: Era) -> anyhow::Result<Self> {
        let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        let transport = StreamableHttpClientTransport::from_config(config);
        let lifecycle = match era {
            Era::Modern => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
            Era::Legacy => ClientLifecycleMode::Initialize,
        };
        let peer = ().serve_with_lifecycle(transport, lifecycle).await.context("connect a client")?;
        Ok(Self { peer })
    }

    /// The version that was agreed on.
    pub fn version(&self) -> String {
        self.peer
            .peer_info()
            .map_or_else(String::new, |info| info.protocol_version.to_string())
    }

    /// Every tool.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn tools(&self) -> anyhow::Result<Vec<Tool>> {
        Ok(self.peer.list_all_tools().await?)
    }

    /// Calls a tool. A refusal is an answer, too; only a broken connection is an error.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Answer> {
        self.call_with(tool, arguments, None).await
    }

    /// Calls a tool with further metadata of the request.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn call_with(
        &self,
        tool: &str,
        arguments: Value,
        meta: Option<RequestMetaObject>,
    ) -> anyhow::Result<Answer> {
        let Value::Object(arguments) = arguments else {
            anyhow::bail!("arguments are an object")
        };
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        params.meta = meta;
        let call = tokio::time::timeout(Duration::from_secs(30), self.peer.call_tool(params));
        match call.await.context("no answer within half a minute")? {
            Ok(result) => Ok(Answer {
                text: serde_json::to_string(&result)?,
                is_error: result.is_error == Some(true),
                value: result.structured_content.unwrap_or(Value::Null),
            }),
            Err(ServiceError::McpError(error)) => Ok(Answer {
                text: serde_json::to_string(&error)?,
                is_error: true,
                value: Value::Null,
            }),
            Err(other) => Err(other).with_context(|| format!("call {tool}")),
        }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn read(&self, uri: &str) -> anyhow::Result<Answer> {
        let read = self.peer.read_resource(ReadResourceRequestParams::new(uri));
        answer(read.await).with_context(|| format!("read {uri}"))
    }

    /// A page of the tools, and the cursor of the next one.
    ///
    /// # Errors
    /// If there was no answer.
    pub async fn next_page(
        &self,
        cursor: Option<&str>,
    ) -> anyhow::Result<(Option<String>, Answer)> {
        let request = PaginatedRequestParams::default().with_cursor(cursor.map(str::to_owned));
        let page = self.peer.list_tools(Some(request)).await;
        let next = page.as_ref().ok().and_then(|page| page.next_cursor.clone());
        Ok((next, answer(page).context("list the tools")?))
    }

    /// Ends the connection.
    pub async fn close(self) {
        let _ = self.peer.cancel().await;
    }
}

/// A result or a refusal; only a broken connection is an error.
fn answer<T: Serialize>(result: Result<T, ServiceError>) -> anyhow::Result<Answer> {
    let (text, is_error) = match result {
        Ok(result) => (serde_json::to_string(&result)?, false),
        Err(ServiceError::McpError(error)) => (serde_json::to_string(&error)?, true),
        Err(other) => return Err(other.into()),
    };
    Ok(Answer {
        text,
        is_error,
        value: Value::Null,
    })
}

/// A client that can send anything.
#[derive(Clone, Debug)]
pub struct Bare {
    http: reqwest::Client,
    url: String,
}

/// An answer to a bare request.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// `WWW-Authenticate`, or nothing.
    pub challenge: String,
    /// The id of a session that was opened.
    pub session: Option<String>,
    /// The whole body.
    pub body: String,
}

impl Reply {
    /// The JSON-RPC message, plain or in the first event of a stream that has one.
    pub fn message(&self) -> Value {
        let events = self
            .body
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let candidates = std::iter::once(self.body.as_str()).chain(events);
        candidates
            .filter_map(|text| serde_json::from_str::<Value>(text.trim()).ok())
            .find(Value::is_object)
            .unwrap_or(Value::Null)
    }

    /// The rows of a tool's result.
    pub fn rows(&self) -> Vec<Value> {
        let message = self.message();
        let content = message
            .pointer("/result/structuredContent")
            .unwrap_or(&Value::Null);
        content
            .get("result")
            .unwrap_or(content)
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Everything that came back, headers that speak included.
    pub fn text(&self) -> String {
        format!("{} {}", self.challenge, self.body)
    }
}

impl Bare {
    /// For a server's MCP endpoint.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    /// A tool call as a client of 2026-07-28 sends it.
    pub fn call(&self, token: &str, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments, "_meta": meta() }
        });
        self.modern(token, "tools/call", &body)
            .header("Mcp-Name", tool)
    }

    /// A message as a client of 2026-07-28 sends it.
    pub fn modern(&self, token: &str, method: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http
            .post(&self.url)
            .bearer_auth(token)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .json(body)
    }

    /// A message as a client of the older eras sends it, in a session or before there is one.
    pub fn legacy(
        &self,
        method: Method,
        token: &str,
        session: Option<&str>,
        body: Option<&Value>,
    ) -> reqwest::RequestBuilder {
        let mut request = self
            .http
            .request(method, &self.url)
            .bearer_auth(token)
            .header("Accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request
                .header("Mcp-Session-Id", session)
                .header("MCP-Protocol-Version", "2025-11-25");
        }
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Opens a session of the older eras and returns its id.
    ///
    /// # Errors
    /// If the server gives none.
    pub async fn open_session(&self, token: &str) -> anyhow::Result<String> {
        let hello = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "bare", "version": "1" }
            }
        });
        let reply = send(self.legacy(Method::POST, token, None, Some(&hello))).await?;
        let session = reply
            .session
            .with_context(|| format!("no session id: {} {}", reply.status, reply.body))?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let reply = send(self.legacy(Method::POST, token, Some(&session), Some(&ready))).await?;
        anyhow::ensure!(
            reply.status.is_success(),
            "the session did not begin: {}",
            reply.status
        );
        Ok(session)
    }
}

/// A tool call as it stands in a session of the older eras.
pub fn legacy_call(tool: &str, arguments: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments }
    })
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// If there is none.
pub async fn send(request: reqwest::RequestBuilder) -> anyhow::Result<Reply> {
    let response = request.send().await.context("no answer")?;
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Ok(Reply {
        status: response.status(),
        challenge: header("www-authenticate").unwrap_or_default(),
        session: header("mcp-session-id"),
        body: response.text().await.context("the answer broke off")?,
    })
}

fn meta() -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert(
        "io.modelcontextprotocol/protocolVersion".into(),
        "2026-07-28".into(),
    );
    meta.insert(
        "io.modelcontextprotocol/clientCapabilities".into(),
        json!({}),
    );
    meta.insert(
        "io.modelcontextprotocol/clientInfo".into(),
        json!({ "name": "bare", "version": "1" }),
    );
    meta
}
