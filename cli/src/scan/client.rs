//! One identity's line to the server: negotiates the revision, sends requests, waits where it is asked to.
//!
//! Invariant: an identity's requests carry its own credentials and its own session, except where a
//! probe says otherwise, which is what `Loan` is for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::args::EraChoice;
use super::http::{Endpoint, Reply, Stream};
use super::identity::Identity;
use super::pace::Pace;
use super::stdio::Process;
use super::wire::{self, Answer, Failure, INITIALIZE, Marks, STATELESS};

/// How often a busy server is asked again.
const PATIENCE: u32 = 3;
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Clone)]
pub(crate) enum Line {
    Http(Arc<Endpoint>),
    Stdio(Arc<Process>),
}

/// Which revision was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Stateless,
    /// The version, and the session if the server gave one.
    Initialized {
        version: String,
        session: Option<String>,
    },
}

impl Era {
    /// The same version in a session.
    fn with(&self, session: String) -> Self {
        match self {
            Era::Stateless => Era::Stateless,
            Era::Initialized { version, .. } => Era::Initialized {
                version: version.clone(),
                session: Some(session),
            },
        }
    }
}

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) capabilities: Value,
    pub(crate) instructions: String,
}

impl About {
    /// Whether the server offers a part of the protocol, such as `tools`.
    pub(crate) fn offers(&self, part: &str) -> bool {
        self.capabilities.get(part).is_some_and(|it| !it.is_null())
    }
}

/// A client of one identity.
#[derive(Clone)]
pub(crate) struct Client {
    line: Line,
    identity: Arc<Identity>,
    pace: Arc<Pace>,
    ids: Arc<AtomicU64>,
    pub(crate) era: Era,
    /// The session that came in the place of one that the server gave up; none for a loan.
    renewed: Option<Arc<Mutex<Option<String>>>>,
}

impl Client {
    /// Agrees on a revision. `Auto` tries the one without sessions first.
    pub(crate) async fn connect(
        line: Line,
        identity: Arc<Identity>,
        pace: Arc<Pace>,
        choice: EraChoice,
    ) -> Result<(Self, About), Failure> {
        let mut client = Self {
            line,
            identity,
            pace,
            ids: Arc::new(AtomicU64::new(1)),
            era: Era::Stateless,
            renewed: Some(Arc::default()),
        };
        if choice != EraChoice::Initialize {
            match client.discover().await {
                Ok(about) => return Ok((client, about)),
                Err(failure @ (Failure::Denied(_) | Failure::Limit(_) | Failure::TooLarge)) => {
                    return Err(failure);
                }
                Err(failure) if choice == EraChoice::Stateless => return Err(failure),
                Err(_) => {}
            }
        }
        let about = client.initialize().await?;
        Ok((client, about))
    }

    /// The same identity in a new session, where the server has sessions.
    pub(crate) async fn with_session(&self) -> Result<Self, Failure> {
        let mut client = self.clone();
        client.renewed = Some(Arc::default());
        client.initialize().await?;
        Ok(client)
    }

    /// This identity's line with another session's id.
    pub(crate) fn in_session_of(&self, other: &Client) -> Self {
        Self {
            era: match other.session() {
                Some(session) => other.era.with(session),
                None => other.era.clone(),
            },
            renewed: None,
            ..self.clone()
        }
    }

    /// This identity's line with a session id that no server gave.
    pub(crate) fn in_no_session(&self) -> Self {
        Self {
            era: Era::Initialized {
                version: INITIALIZE.to_owned(),
                session: Some("00000000-0000-4000-8000-000000000000".to_owned()),
            },
            renewed: None,
            ..self.clone()
        }
    }

    /// The session that the server gave, if any.
    pub(crate) fn session(&self) -> Option<String> {
        let Era::Initialized { session, .. } = &self.era else {
            return None;
        };
        let renewed = self.renewed.as_ref().and_then(|it| it.lock().ok()?.clone());
        renewed.or_else(|| session.clone())
    }

    /// A session in the place of `lost`, which the server does not know any more. Of many requests that
    /// find it lost at once one opens another.
    async fn renew(&self, lost: &str) -> Result<(), Failure> {
        let Some(renewed) = &self.renewed else {
            return Err(Failure::Status(404, String::new()));
        };
        if self.session().as_deref() != Some(lost) {
            return Ok(());
        }
        let mut fresh = self.clone();
        // Nothing renews while it is renewed.
        fresh.renewed = None;
        Box::pin(fresh.initialize()).await?;
        if let Ok(mut renewed) = renewed.lock() {
            *renewed = fresh.session();
        }
        Ok(())
    }

    async fn discover(&mut self) -> Result<About, Failure> {
        self.era = Era::Stateless;
        // A program that does not know the method may not answer at all.
        let wait = self.pace.timeout.min(Duration::from_secs(5));
        let params = self.params(json!({}));
        let answer = self.once("server/discover", &params, wait).await?;
        let result = answer
            .result
            .map_err(|_| Failure::Malformed("it has no `server/discover`"))?;
        let versions = result.get("supportedVersions").and_then(Value::as_array);
        let known = versions.is_some_and(|list| list.iter().any(|it| it == STATELESS));
        if !known {
            return Err(Failure::Malformed("it does not speak 2026-07-28"));
        }
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let info = result
            .pointer("/_meta/io.modelcontextprotocol~1serverInfo/name")
            .or_else(|| result.pointer("/serverInfo/name"));
        Ok(About {
            name: text(info),
            capabilities: result.get("capabilities").cloned().unwrap_or(Value::Null),
            instructions: text(result.get("instructions")),
        })
    }

    async fn initialize(&mut self) -> Result<About, Failure> {
        self.era = Era::Initialized {
            version: INITIALIZE.to_owned(),
            session: None,
        };
        let params = json!({
            "protocolVersion": INITIALIZE,
            "capabilities": {},
            "clientInfo": { "name": "watertight", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = self.once("initialize", &params, self.pace.timeout).await?;
        let session = answer.marks.session.clone();
        let result = answer
            .result
            .map_err(|error| Failure::Status(200, error.text()))?;
        let text = |pointer: &str| {
            let value = result.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let version = text("/protocolVersion");
        if version.is_empty() {
            return Err(Failure::Malformed("`initialize` gives no protocolVersion"));
        }
        self.era = Era::Initialized { version, session };
        self.notify("notifications/initialized").await?;
        Ok(About {
            name: text("/serverInfo/name"),
            capabilities: result.get("capabilities").cloned().unwrap_or(Value::Null),
            instructions: text("/instructions"),
        })
    }

    /// Asks, and asks again where the server is busy.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Result<Answer, Failure> {
        let params = self.params(params);
        self.once(method, &params, self.pace.timeout).await
    }

    /// What every request without a session carries.
    fn params(&self, mut params: Value) -> Value {
        if self.era == Era::Stateless
            && let Some(object) = params.as_object_mut()
        {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientInfo":
                    { "name": "watertight", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            object.insert("_meta".to_owned(), meta);
        }
        params
    }

    async fn once(&self, method: &str, params: &Value, wait: Duration) -> Result<Answer, Failure> {
        let mut tries = 0;
        let mut renewals = 0;
        loop {
            self.pace.wait().await?;
            let session = self.session();
            let id = self.ids.fetch_add(1, Ordering::Relaxed);
            let body = wire::request(id, method, params);
            let reply = match &self.line {
                Line::Stdio(process) => {
                    let answer = process.send(body, Some(id), wait).await?;
                    Reply {
                        status: 200,
                        answer,
                        marks: Marks::default(),
                        retry_after: None,
                        asides: process.heard(),
                        event: None,
                        text: String::new(),
                    }
                }
                Line::Http(endpoint) => {
                    let headers = self.headers(method, params);
                    let sent = endpoint.post(&headers, body, Some(id), self.pace.max_bytes, wait);
                    sent.await?
                }
            };
            // "Session not found" is no answer to what was asked, whatever the body is.
            if let (404, Some(lost), true) = (reply.status, &session, method != "initialize") {
                if renewals >= 1 || self.renew(lost).await.is_err() {
                    return Err(Failure::Status(404, reply.text));
                }
                renewals += 1;
                continue;
            }
            tries += 1;
            if let Some(pause) = busy(&reply, tries)
                && tries <= PATIENCE
                && self.pace.pause(pause.min(LONGEST_WAIT)).await
            {
                continue;
            }
            return finish(reply);
        }
    }

    async fn notify(&self, method: &str) -> Result<(), Failure> {
        self.pace.wait().await?;
        let body = wire::notification(method);
        match &self.line {
            Line::Stdio(process) => process
                .send(body, None, self.pace.timeout)
                .await
                .map(|_| ()),
            Line::Http(endpoint) => {
                let headers = self.headers(method, &Value::Null);
                let sent =
                    endpoint.post(&headers, body, None, self.pace.max_bytes, self.pace.timeout);
                sent.await.map(|_| ())
            }
        }
    }

    /// The stream on which the server speaks to this client by itself, if there is one.
    pub(crate) async fn listen(&self, after: Option<&str>) -> Result<Option<Stream>, Failure> {
        let (Line::Http(endpoint), Era::Initialized { .. }) = (&self.line, &self.era) else {
            return Ok(None);
        };
        self.pace.wait().await?;
        let wait = self.pace.timeout.min(Duration::from_secs(5));
        endpoint
            .open(&self.headers("", &Value::Null), after, wait)
            .await
    }

    /// The most bytes of one answer.
    pub(crate) fn max_bytes(&self) -> usize {
        self.pace.max_bytes
    }

    /// Ends this client's session, so that the server need not keep it.
    pub(crate) async fn close(&self) {
        if let (Line::Http(endpoint), Some(_)) = (&self.line, self.session()) {
            let headers = self.headers("", &Value::Null);
            let _ = endpoint.delete(&headers, Duration::from_secs(2)).await;
        }
    }

    fn headers(&self, method: &str, params: &Value) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = self.identity.headers.clone();
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(&plain(value)) {
                headers.push((HeaderName::from_static(name), value));
            }
        };
        match &self.era {
            Era::Stateless => {
                add("mcp-protocol-version", STATELESS);
                add("mcp-method", method);
                let key = match method {
                    "tools/call" | "prompts/get" => "name",
                    "resources/read" | "resources/subscribe" => "uri",
                    "tasks/get" | "tasks/cancel" | "tasks/update" => "taskId",
                    _ => "",
                };
                if let Some(name) = params.get(key).and_then(Value::as_str) {
                    add("mcp-name", name);
                }
            }
            Era::Initialized { version, .. } => {
                if method != "initialize" {
                    add("mcp-protocol-version", version);
                }
                if let Some(session) = self.session() {
                    add("mcp-session-id", &session);
                }
            }
        }
        headers
    }
}

/// A value as headers may hold it: what is not plain goes as base64 in the specification's wrapping.
fn plain(value: &str) -> String {
    let needs = value.bytes().any(|byte| !(0x20..=0x7e).contains(&byte))
        || value.starts_with(' ')
        || value.ends_with(' ')
        || (value.starts_with("=?base64?") && value.ends_with("?="));
    if needs {
        format!("=?base64?{}?=", STANDARD.encode(value))
    } else {
        value.to_owned()
    }
}

/// How long a busy server wants us to wait.
fn busy(reply: &Reply, tries: u32) -> Option<Duration> {
    let hint = |value: &Value| {
        let pointers = ["/retryAfterMs", "/data/retryAfterMs", "/_meta/retryAfterMs"];
        let millis = pointers.iter().find_map(|it| value.pointer(it)?.as_u64())?;
        Some(Duration::from_millis(millis))
    };
    match &reply.answer {
        Some(Ok(result)) if result.get("isError") == Some(&Value::Bool(true)) => hint(result),
        Some(Err(error)) => hint(&error.data),
        Some(Ok(_)) => None,
        None if matches!(reply.status, 429 | 503) => Some(
            reply
                .retry_after
                .unwrap_or(Duration::from_millis(500 << tries.min(5))),
        ),
        None => None,
    }
}

fn finish(reply: Reply) -> Result<Answer, Failure> {
    match (reply.status, reply.answer) {
        (401 | 403, _) => Err(Failure::Denied(reply.status)),
        (_, Some(result)) => Ok(Answer {
            result,
            marks: reply.marks,
            asides: reply.asides,
            event: reply.event,
        }),
        (200..=299, None) => Err(Failure::Malformed("it holds no JSON-RPC answer")),
        (status, None) => Err(Failure::Status(status, reply.text)),
    }
}

/// Starts or finds the server for one identity.
pub(crate) fn line_of(
    endpoint: Option<&Arc<Endpoint>>,
    command: &[String],
    identity: &Identity,
    max_bytes: usize,
) -> Result<Line> {
    match endpoint {
        Some(endpoint) => Ok(Line::Http(Arc::clone(endpoint))),
        None if command.is_empty() => bail!("give a URL, or a program with --stdio"),
        None => {
            let process = Process::start(command, &identity.env, max_bytes)?;
            Ok(Line::Stdio(Arc::new(process)))
        }
    }
}
