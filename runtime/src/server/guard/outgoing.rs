//! What leaves over HTTP: JSON bodies and each event of a stream pass the tripwire.
//!
//! Invariant: bytes reach the client only after they were scanned. An event is held back until it
//! is complete, so that an identifier can't slip through between two pieces. A stream ends when
//! the credentials that opened it expire.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Sleep;

use super::listing::Listing;
use super::refusal::{json_response, withheld};
use super::unrecorded::Unrecorded;
use crate::audit::Outcome;
use crate::error::Reference;
use crate::life::Running;
use crate::tripwire::Tripwire;

/// Bodies that are neither JSON nor events are scanned if they are known to be no longer.
const SCANNED_OTHERS: u64 = 1024 * 1024;

/// What the scan of one response needs to know.
pub(super) struct Outgoing {
    pub(super) tripwire: Arc<Tripwire>,
    /// Walks lists, where the server behind is not ours.
    pub(super) listing: Option<Arc<Listing>>,
    pub(super) reference: Reference,
    pub(super) is_tool_call: bool,
    /// When a stream must end.
    pub(super) until: Option<SystemTime>,
    /// What the request was given ends when the answer has: a stream keeps this to its end.
    pub(super) _running: Option<Running>,
    /// And then the call has its record.
    pub(super) unrecorded: Option<Unrecorded>,
}

impl Outgoing {
    /// Scans the response, or arranges for its events to be scanned as they come.
    pub(super) async fn pass(mut self, response: Response<Body>) -> Response<Body> {
        let (parts, body) = response.into_parts();
        let content_type = parts
            .headers
            .get(CONTENT_TYPE)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let is = |essence: &[u8]| {
            content_type
                .get(..essence.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(essence))
        };
        if is(b"text/event-stream") {
            return Response::from_parts(parts, Body::new(Events::new(body, self)));
        }
        let json = is(b"application/json");
        if !json
            && body
                .size_hint()
                .upper()
                .is_none_or(|length| length > SCANNED_OTHERS)
        {
            return Response::from_parts(parts, body);
        }
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                tracing::error!(reference = %self.reference, %error, "answer could not be produced");
                return self.safe(StatusCode::INTERNAL_SERVER_ERROR, &Value::Null);
            }
        };
        self.sees(&bytes);
        if self.tripwire.finds(&bytes) {
            self.log("answer");
            let message = serde_json::from_slice(&bytes).unwrap_or_default();
            return self.safe(parts.status, &message);
        }
        if self.lists_a_tenant(&bytes) {
            let message = serde_json::from_slice(&bytes).unwrap_or_default();
            return self.safe(parts.status, &message);
        }
        let mut response = Response::from_parts(parts, Body::from(bytes));
        // The length is the body's own; one that was set for a body in pieces may be stale.
        response.headers_mut().remove(CONTENT_LENGTH);
        response
    }

    fn lists_a_tenant(&self, message: &[u8]) -> bool {
        let mut listing = self.listing.iter();
        listing.any(|listing| listing.refuses(message))
    }

    fn sees(&mut self, message: &[u8]) {
        if let Some(unrecorded) = &mut self.unrecorded {
            unrecorded.sees(message);
        }
    }

    fn safe(&mut self, status: StatusCode, message: &Value) -> Response<Body> {
        if let Some(unrecorded) = &mut self.unrecorded {
            unrecorded.ended(Outcome::Failed);
        }
        let body = withheld(message, self.is_tool_call, self.reference).unwrap_or_else(
            || json!({ "error": "internal_error", "reference": self.reference.to_string() }),
        );
        json_response(status, &body)
    }

    fn log(&self, what: &str) {
        tracing::error!(
            reference = %self.reference,
            "tripwire: the {what} contained the tenant's own identifier and was withheld"
        );
    }

    /// One event, or a run of them, as it may be sent.
    fn events(&mut self, events: Bytes) -> Bytes {
        if !self.tripwire.finds(&events) && self.listing.is_none() {
            return events;
        }
        let mut safe = Vec::new();
        let mut rest: &[u8] = &events;
        while let Some(end) = end_of_event(rest) {
            let (event, after) = rest.split_at(end);
            rest = after;
            let data = data_of(event);
            self.sees(&data);
            if self.tripwire.finds(event) {
                self.log("event");
            } else if !self.lists_a_tenant(&data) {
                safe.extend_from_slice(event);
                continue;
            }
            if let Some(message) = withheld(&message_of(event), self.is_tool_call, self.reference) {
                safe.extend_from_slice(format!("data: {message}\n\n").as_bytes());
            }
        }
        Bytes::from(safe)
    }
}

/// The JSON-RPC message of an event.
fn message_of(event: &[u8]) -> Value {
    serde_json::from_slice(&data_of(event)).unwrap_or_default()
}

/// The `data` lines of an event (HTML, 9.2.6), joined.
fn data_of(event: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    for line in event.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if let Some(value) = line.strip_prefix(b"data:") {
            data.extend_from_slice(value);
        }
    }
    data
}

/// The end of the first complete event: after the empty line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| {
        let rest = bytes.get(at + 1..)?;
        match rest {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        }
    })
}

/// The end of the last complete event.
fn end_of_events(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(next) = end_of_event(bytes.get(end..).unwrap_or_default()) {
        end += next;
    }
    end
}

/// A stream of events, scanned event by event.
struct Events {
    inner: Body,
    outgoing: Outgoing,
    /// The beginning of an event that has not ended yet.
    pending: Vec<u8>,
    expiry: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Events {
    fn new(inner: Body, outgoing: Outgoing) -> Self {
        let left = outgoing
            .until
            .map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
        let expiry = left.map(|left| Box::pin(tokio::time::sleep(left)));
        Self {
            inner,
            outgoing,
            pending: Vec::new(),
            expiry,
            ended: false,
        }
    }

    /// What of `data` and of what was pending may be sent now.
    fn advance(&mut self, data: &[u8]) -> Option<Bytes> {
        self.pending.extend_from_slice(data);
        let end = end_of_events(&self.pending);
        let incomplete = self.pending.split_off(end);
        let complete = std::mem::replace(&mut self.pending, incomplete);
        self.scanned(complete)
    }

    fn scanned(&mut self, events: Vec<u8>) -> Option<Bytes> {
        let events = self.outgoing.events(Bytes::from(events));
        (!events.is_empty()).then_some(events)
    }

    /// The rest at the end of the stream. A reader drops an event without its empty line, but the
    /// bytes would be on the wire all the same.
    fn rest(&mut self) -> Option<Bytes> {
        self.ended = true;
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty() && !self.outgoing.tripwire.finds(&rest)).then(|| Bytes::from(rest))
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(expiry) = self.expiry.as_mut()
            && expiry.as_mut().poll(cx).is_ready()
        {
            tracing::info!(reference = %self.outgoing.reference, "stream ended: its token has expired");
            self.ended = true;
            return Poll::Ready(None);
        }
        loop {
            let ready = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                None => match self.rest() {
                    Some(rest) => Some(rest),
                    None => return Poll::Ready(None),
                },
                Some(Err(error)) => {
                    tracing::info!(reference = %self.outgoing.reference, %error, "stream broke off");
                    self.ended = true;
                    return Poll::Ready(None);
                }
                // Trailers carry nothing here and are not scanned, so they are not sent.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.advance(&data),
                    Err(_) => None,
                },
            };
            if let Some(ready) = ready {
                return Poll::Ready(Some(Ok(Frame::data(ready))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TenantId;

    const ID: &str = "0190f3b2-7c1e-7d4a-9b6f-3e5a8c2d1f07";

    fn outgoing(is_tool_call: bool, until: Option<SystemTime>) -> Outgoing {
        let tenant = TenantId::uuid(ID.parse().unwrap());
        Outgoing {
            tripwire: Arc::new(Tripwire::new(&tenant, "tenant_id")),
            listing: None,
            reference: Reference::random(),
            is_tool_call,
            until,
            _running: None,
            unrecorded: None,
        }
    }

    fn stream(pieces: &[&str]) -> Response<Body> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, Infallible>(piece.to_string()))
            .collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        Response::builder()
            .header(CONTENT_TYPE, "text/event-stream")
            .body(body)
            .unwrap()
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn an_answer_with_the_identifier_becomes_a_safe_one() {
        let body = json!({"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":ID}]}});
        let response = json_response(StatusCode::OK, &body);
        let safe: Value =
            serde_json::from_str(&text(outgoing(true, None).pass(response).await).await).unwrap();
        assert_eq!(
            (&safe["id"], &safe["result"]["isError"]),
            (&json!(7), &json!(true))
        );
        assert!(!safe.to_string().contains(ID) && safe.to_string().contains("reference"));
        let response = json_response(StatusCode::OK, &body);
        let safe: Value =
            serde_json::from_str(&text(outgoing(false, None).pass(response).await).await).unwrap();
        assert_eq!(safe["error"]["code"], json!(-32603));
    }

    #[tokio::test]
    async fn harmless_answers_and_events_pass_unchanged() {
        let body = json!({"jsonrpc":"2.0","id":7,"result":{"content":[]}});
        let response = json_response(StatusCode::OK, &body);
        assert_eq!(
            text(outgoing(true, None).pass(response).await).await,
            body.to_string()
        );
        let pieces = [
            "id: 0\nretry: 3000\n",
            "\ndata: {\"a\":",
            "1}\n\ndata: {}\r\n\r\n: ping\n\n",
        ];
        let passed = text(outgoing(true, None).pass(stream(&pieces)).await).await;
        assert_eq!(passed, pieces.concat());
    }

    #[tokio::test]
    async fn only_the_event_with_the_identifier_is_replaced() {
        let (one, two) = ID.split_at(11);
        let note =
            format!("data: {{\"method\":\"notifications/message\",\"params\":\"{ID}\"}}\n\n");
        let pieces = [
            "data: {\"id\":1,\"result\":{\"x\":1}}\n\n",
            note.as_str(),
            "data: {\"id\":2,\"result\":{\"x\":\"",
            one,
            two,
            "\"}}\n\ndata: {\"id\":3,\"result\":{}}\n\n",
        ];
        let passed = text(outgoing(true, None).pass(stream(&pieces)).await).await;
        assert!(!passed.contains(one) && !passed.contains(two), "{passed}");
        let events: Vec<&str> = passed.split_terminator("\n\n").collect();
        assert_eq!(events.len(), 3, "{passed}");
        assert!(events[1].contains("\"id\":2") && events[1].contains("isError"));
        assert_eq!(events[2], "data: {\"id\":3,\"result\":{}}");
    }

    #[tokio::test]
    async fn the_rest_of_a_stream_is_scanned_too() {
        let passed = text(
            outgoing(true, None)
                .pass(stream(&["data: x\n\ndata: ", ID]))
                .await,
        )
        .await;
        assert_eq!(passed, "data: x\n\n");
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_token() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<String, Infallible>>());
        let response = Response::builder()
            .header(CONTENT_TYPE, "text/event-stream")
            .body(body)
            .unwrap();
        let until = SystemTime::now() + std::time::Duration::from_millis(50);
        let passed = outgoing(true, Some(until)).pass(response).await;
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), text(passed)).await;
        assert_eq!(ended.unwrap(), "");
    }
}
