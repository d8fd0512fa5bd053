//! The answers of the guard itself: generic for the client, detailed in the log.
//!
//! Invariant: no answer depends on a tenant, on a token's content or on a header's value. Each
//! carries a reference under which the log has the reason.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::auth::{AuthError, AuthErrorKind};
use crate::error::Reference;
use crate::observe::Meter;
use crate::rate::Refused;

/// Why a request goes no further.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The credentials are missing, not valid, or can't be checked.
    Unauthorized(AuthError),
    /// The sender has presented too many wrong credentials, and waits so long.
    TooManyFailures(Duration),
    /// `Host` or `Origin`.
    Forbidden(&'static str),
    /// The tool needs scopes that the token does not grant.
    Scopes(Vec<String>),
    /// The tenant opens too many legacy sessions, or makes too many calls beside.
    TooManySessions(Refused),
    /// The legacy session does not exist, or belongs to someone else. The two are one.
    NoSuchSession(&'static str),
    /// The body is larger than allowed.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The body could not be read.
    Unreadable(String),
    /// The body is not a JSON-RPC message; with the JSON-RPC code, and the id if there was one.
    Malformed(i32, Value),
}

impl Refusal {
    /// A request without a tenant has no trail; its one record is the log's, under the audit's target.
    /// What is refused later is in the tenant's trail, and the log tells no more than why.
    pub(super) fn log(&self, reference: Reference, address: Option<IpAddr>) {
        Meter::refuse(self.word());
        let (kind, address) = (self.word(), address.map(tracing::field::display));
        match self {
            Self::Unauthorized(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                match error.kind() {
                    AuthErrorKind::Unavailable => tracing::error!(
                        target: "watertight::audit", %reference, outcome = "refused", kind, reason = %error, cause, address,
                        "no tenant"
                    ),
                    _ => tracing::warn!(
                        target: "watertight::audit", %reference, outcome = "refused", kind, reason = %error, cause, address,
                        "no tenant"
                    ),
                }
            }
            Self::TooManyFailures(_) | Self::Forbidden(_) => tracing::warn!(
                target: "watertight::audit", %reference, outcome = "refused", kind, reason = self.reason(), address,
                "no tenant"
            ),
            Self::Scopes(scopes) => {
                tracing::warn!(%reference, kind, ?scopes, address, "request refused");
            }
            Self::Unreadable(cause) => {
                tracing::info!(%reference, kind, cause, address, "request refused");
            }
            other => {
                tracing::warn!(%reference, kind, reason = other.reason(), address, "request refused");
            }
        }
    }

    /// The word that metrics and records have for it.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Unauthorized(error) => error.kind().as_str(),
            Self::TooManyFailures(_) => "too_many_failures",
            Self::Forbidden(_) => "host_or_origin",
            Self::Scopes(_) => "insufficient_scope",
            Self::TooManySessions(_) => "too_many_sessions",
            Self::NoSuchSession(_) => "no_such_session",
            Self::TooLarge | Self::TooSlow | Self::Unreadable(_) | Self::Malformed(..) => "body",
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) | Self::Scopes(_) => "credentials",
            Self::TooManyFailures(_) => "too many wrong credentials from one address",
            Self::TooManySessions(_) => "the tenant makes more calls per second than it may",
            Self::Forbidden(reason) | Self::NoSuchSession(reason) => reason,
            Self::TooLarge => "the body is too large",
            Self::TooSlow => "the body did not arrive in time",
            Self::Unreadable(_) => "the body could not be read",
            Self::Malformed(..) => "the body is not a JSON-RPC message",
        }
    }

    /// `metadata_url` is where a client learns which tokens are wanted.
    pub(super) fn respond(
        self,
        reference: Reference,
        metadata_url: Option<&str>,
    ) -> Response<Body> {
        match self {
            Self::Unauthorized(error) => unauthorized(error.kind(), reference, metadata_url),
            Self::Scopes(scopes) => {
                let text = "the token does not grant the scopes that this needs";
                let mut answer =
                    json_answer(StatusCode::FORBIDDEN, "insufficient_scope", text, reference);
                let scopes = scopes.join(" ");
                challenge(
                    &mut answer,
                    metadata_url,
                    &[("error", "insufficient_scope"), ("scope", &scopes)],
                );
                answer
            }
            Self::TooManyFailures(left) => {
                let text = "too many requests without valid credentials";
                too_many(text, left, reference)
            }
            Self::TooManySessions(refused) => {
                too_many("too many requests", refused.retry_after, reference)
            }
            Self::Forbidden(_) => json_answer(
                StatusCode::FORBIDDEN,
                "forbidden",
                "this server does not answer to that host or origin",
                reference,
            ),
            Self::NoSuchSession(_) => json_answer(
                StatusCode::NOT_FOUND,
                "not_found",
                "session not found",
                reference,
            ),
            Self::TooLarge => json_answer(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the request is too large",
                reference,
            ),
            Self::TooSlow => json_answer(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the request did not arrive in time",
                reference,
            ),
            Self::Unreadable(_) => json_answer(
                StatusCode::BAD_REQUEST,
                "bad_request",
                "the request could not be read",
                reference,
            ),
            Self::Malformed(code, id) => {
                let what = if code == PARSE_ERROR {
                    "parse error"
                } else {
                    "invalid request"
                };
                json_response(
                    StatusCode::BAD_REQUEST,
                    &rpc_error(id, code, what, reference),
                )
            }
        }
    }
}

/// JSON-RPC 2.0, 5.1.
pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
const INTERNAL_ERROR: i32 = -32603;

fn unauthorized(
    kind: AuthErrorKind,
    reference: Reference,
    metadata_url: Option<&str>,
) -> Response<Body> {
    let (error, text) = match kind {
        AuthErrorKind::Unavailable => {
            let mut answer = json_answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "credentials can't be checked at the moment",
                reference,
            );
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return answer;
        }
        // Another token would not help, so there is no challenge. A tenant that does not exist is
        // answered like one of someone else's.
        AuthErrorKind::Forbidden => {
            return json_answer(
                StatusCode::FORBIDDEN,
                "forbidden",
                "the request must say which of the caller's own tenants it is for, once",
                reference,
            );
        }
        // RFC 6750, 3.1: no error code for a request that did not try.
        AuthErrorKind::Missing => (None, "a bearer token is required"),
        AuthErrorKind::Rejected => (Some("invalid_token"), "the token is not valid"),
    };
    let mut answer = json_answer(
        StatusCode::UNAUTHORIZED,
        error.unwrap_or("unauthorized"),
        text,
        reference,
    );
    match error {
        Some(error) => challenge(&mut answer, metadata_url, &[("error", error)]),
        None => challenge(&mut answer, metadata_url, &[]),
    }
    answer
}

fn too_many(text: &str, left: Duration, reference: Reference) -> Response<Body> {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut answer = json_answer(status, "too_many_requests", text, reference);
    let seconds = left.as_secs().saturating_add(1);
    answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    answer
}

/// RFC 6750, 3 and RFC 9728, 5.1. The values are scope names, fixed words and the configured URL,
/// none of which has a quote; what can't be a header value is left out rather than sent broken.
fn challenge(answer: &mut Response<Body>, metadata_url: Option<&str>, parameters: &[(&str, &str)]) {
    let metadata = metadata_url.map(|url| ("resource_metadata", url));
    let parameters: Vec<String> = metadata
        .iter()
        .chain(parameters)
        .filter(|(_, value)| !value.contains(['"', '\\']))
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    let text = format!("Bearer {}", parameters.join(", "));
    let text = text.trim_end();
    if let Ok(value) = HeaderValue::try_from(text) {
        answer.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

fn json_answer(
    status: StatusCode,
    error: &str,
    description: &str,
    reference: Reference,
) -> Response<Body> {
    let body = json!({
        "error": error,
        "error_description": description,
        "reference": reference.to_string(),
    });
    json_response(status, &body)
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn rpc_error(id: Value, code: i32, what: &str, reference: Reference) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": { "code": code, "message": format!("{what} (reference {reference})") },
    })
}

/// The safe message in place of one that must not leave: of the same kind, to the same request.
/// `None` for what is no answer to anything, which is dropped.
pub(crate) fn withheld(message: &Value, is_tool_call: bool, reference: Reference) -> Option<Value> {
    let id = message.get("id").cloned()?;
    if message.get("result").is_some() && is_tool_call {
        let text = crate::error::ToolError::internal("").client_text(reference);
        let content = json!([{ "type": "text", "text": text }]);
        // The type is there since 2026-07-28, where clients insist on it, and not before.
        let result = match message.pointer("/result/resultType") {
            Some(_) => json!({ "content": content, "isError": true, "resultType": "complete" }),
            None => json!({ "content": content, "isError": true }),
        };
        return Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }
    if message.get("method").is_some() {
        // A request of the server to the client; its id is ours, and nobody waits for it here.
        return None;
    }
    Some(rpc_error(id, INTERNAL_ERROR, "internal error", reference))
}
