//! Streamable HTTP: one POST for each message, answered by JSON or by server-sent events.
//!
//! All identities share one client and so its connections: a server that takes a connection for an
//! identity shows it. Redirects are not followed, since a token must not go where it was not sent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::shown::keep_secret;
use super::wire::{Events, Failure, MOST_ASIDES, Marks, RpcError, answer_to, aside};

/// An endpoint.
pub(crate) struct Endpoint {
    uri: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What a POST led to.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The answer to the request; none for a notification, or where none came.
    pub(crate) answer: Option<Result<Value, RpcError>>,
    pub(crate) marks: Marks,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) asides: Vec<Value>,
    pub(crate) event: Option<String>,
    /// The beginning of a text that is no answer.
    pub(crate) text: String,
}

impl Endpoint {
    /// Looks at the URL. `secret` says that credentials will be sent, `plain` that plain HTTP is
    /// accepted all the same.
    pub(crate) fn new(url: &str, secret: bool, plain: bool) -> Result<Self> {
        let uri: Uri = url
            .parse()
            .map_err(|_| anyhow!("the URL can't be read; it looks like https://host/mcp"))?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            bail!("the URL needs a scheme and a host, as in https://host/mcp");
        };
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            bail!(
                "the URL holds credentials, which most servers ignore and many logs keep; give them as --header 'Authorization: …'"
            );
        }
        let own = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
        match scheme {
            "https" => {}
            "http" if own || !secret || plain => {}
            "http" => bail!(
                "the credentials would go over plain HTTP to `{host}`; use https://, or say --plain-http if the network between is yours"
            ),
            _ => bail!("the URL begins with `{scheme}:`; an MCP endpoint is http: or https:"),
        }
        for pair in uri.query().unwrap_or_default().split('&') {
            if let Some((_, value)) = pair.split_once('=') {
                keep_secret(value);
            }
        }
        let client = Client::builder(TokioExecutor::new()).build(connector(scheme == "https")?);
        Ok(Self { uri, client })
    }

    /// Where it is, without the values of its query.
    pub(crate) fn place(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        let query = if self.uri.query().is_some() {
            "?…"
        } else {
            ""
        };
        format!("{scheme}://{authority}{}{query}", self.uri.path())
    }

    /// Sends one message. `id` is that of a request.
    pub(crate) async fn post(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
        id: Option<u64>,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        self.send(Method::POST, headers, body, id, max_bytes, timeout)
            .await
    }

    /// Opens the stream on which a server speaks by itself, from an event on where one is named.
    /// None where it has no such stream.
    pub(crate) async fn open(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        after: Option<&str>,
        timeout: Duration,
    ) -> Result<Option<Stream>, Failure> {
        let mut request = Request::builder().method(Method::GET).uri(self.uri.clone());
        if let Some(map) = request.headers_mut() {
            map.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            for (name, value) in headers {
                map.insert(name.clone(), value.clone());
            }
            if let Some(after) = after {
                let value = HeaderValue::from_str(after)
                    .map_err(|_| Failure::Malformed("an event's id is no header's value"))?;
                map.insert("last-event-id", value);
            }
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(|_| Failure::Malformed("the request can't be made"))?;
        let sent = tokio::time::timeout(timeout, self.client.request(request)).await;
        let response = sent
            .map_err(|_| Failure::Timeout)?
            .map_err(|error| Failure::Closed(error.to_string()))?;
        let streams = response.status().is_success() && is_stream(response.headers());
        Ok(streams.then(|| Stream {
            body: response.into_body(),
            events: Events::default(),
        }))
    }

    /// Ends a session.
    pub(crate) async fn delete(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        timeout: Duration,
    ) -> Result<u16, Failure> {
        let reply = self.send(Method::DELETE, headers, Vec::new(), None, 1024, timeout);
        reply.await.map(|reply| reply.status)
    }

    async fn send(
        &self,
        method: Method,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
        id: Option<u64>,
        max_bytes: usize,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let mut request = Request::builder().method(method).uri(self.uri.clone());
        if let Some(map) = request.headers_mut() {
            map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let both = HeaderValue::from_static("application/json, text/event-stream");
            map.insert(ACCEPT, both);
            for (name, value) in headers {
                map.insert(name.clone(), value.clone());
            }
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::Malformed("the request can't be made"))?;
        let whole = async {
            let response = self.client.request(request).await.map_err(|error| {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Failure::Closed(cause.unwrap_or_else(|| error.to_string()))
            })?;
            read(response, id, max_bytes).await
        };
        tokio::time::timeout(timeout, whole)
            .await
            .map_err(|_| Failure::Timeout)?
    }
}

/// A stream on which the server speaks by itself.
pub(crate) struct Stream {
    body: hyper::body::Incoming,
    events: Events,
}

impl Stream {
    /// The messages of the next piece; none where the stream ended.
    pub(crate) async fn next(&mut self) -> Option<Vec<Value>> {
        let frame = self.body.frame().await?.ok()?;
        let Ok(piece) = frame.into_data() else {
            return Some(Vec::new());
        };
        let whole = self.events.feed(&piece);
        let messages = whole
            .iter()
            .filter_map(|it| serde_json::from_slice(it).ok());
        Some(messages.collect())
    }

    /// How much of a message has come whose end has not.
    pub(crate) fn unfinished(&self) -> usize {
        self.events.unfinished()
    }
}

fn is_stream(headers: &HeaderMap) -> bool {
    text(headers, CONTENT_TYPE.as_str())
        .is_some_and(|it| it.trim_start().starts_with("text/event-stream"))
}

async fn read(
    response: http::Response<hyper::body::Incoming>,
    id: Option<u64>,
    max_bytes: usize,
) -> Result<Reply, Failure> {
    let (head, mut body) = response.into_parts();
    let mut reply = Reply {
        status: head.status.as_u16(),
        answer: None,
        marks: marks(&head.headers),
        retry_after: text(&head.headers, RETRY_AFTER.as_str())
            .and_then(|it| it.trim().parse().ok())
            .map(Duration::from_secs),
        asides: Vec::new(),
        event: None,
        text: String::new(),
    };
    let Some(id) = id else {
        return Ok(reply);
    };
    let streams = is_stream(&head.headers);
    let mut events = Events::default();
    let mut whole: Vec<u8> = Vec::new();
    let mut read = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Closed(error.to_string()))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        read = read.saturating_add(piece.len());
        if read > max_bytes {
            return Err(Failure::TooLarge);
        }
        if !streams {
            whole.extend_from_slice(&piece);
            continue;
        }
        for data in events.feed(&piece) {
            let Ok(message) = serde_json::from_slice::<Value>(&data) else {
                continue;
            };
            if let Some(answer) = answer_to(id, &message) {
                reply.answer = Some(answer);
                reply.event.clone_from(&events.first_id);
                return Ok(reply);
            }
            if reply.asides.len() < MOST_ASIDES {
                reply.asides.extend(aside(&message));
            }
        }
    }
    match serde_json::from_slice::<Value>(&whole) {
        Ok(Value::Array(list)) => {
            reply.answer = list.iter().find_map(|message| answer_to(id, message));
        }
        Ok(message) => reply.answer = answer_to(id, &message),
        Err(_) => {}
    }
    if reply.answer.is_none() {
        whole.truncate(400);
        reply.text = String::from_utf8_lossy(&whole).into_owned();
    }
    Ok(reply)
}

fn marks(headers: &HeaderMap) -> Marks {
    Marks {
        cache_control: text(headers, CACHE_CONTROL.as_str()),
        etag: text(headers, ETAG.as_str()),
        session: text(headers, "mcp-session-id"),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn connector(encrypted: bool) -> Result<HttpsConnector<HttpConnector>> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = if encrypted {
        HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| {
                anyhow!(
                    "no root certificates ({error}); install the system's `ca-certificates`, or name a file in SSL_CERT_FILE"
                )
            })?
    } else {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        HttpsConnectorBuilder::new().with_tls_config(tls)
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_refused_say_what_to_write() {
        let refused = |url: &str, secret: bool| {
            let error = Endpoint::new(url, secret, false).err();
            error.map(|it| it.to_string()).unwrap_or_default()
        };
        assert!(refused("http://mcp.example.com/mcp", true).contains("--plain-http"));
        assert_eq!(refused("http://mcp.example.com/mcp", false), "");
        assert_eq!(refused("http://127.0.0.1:8080/mcp", true), "");
        assert!(refused("ftp://x/mcp", false).contains("http: or https:"));
        let credentials = refused("http://user:hunter22@127.0.0.1/mcp", false);
        assert!(credentials.contains("--header") && !credentials.contains("hunter22"));
    }

    #[test]
    fn a_query_is_not_shown() {
        let endpoint = Endpoint::new("http://127.0.0.1:1/mcp?api_key=abcdef123", true, false);
        assert_eq!(endpoint.unwrap().place(), "http://127.0.0.1:1/mcp?…");
    }
}
