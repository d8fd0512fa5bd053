//! What goes over the wire: JSON-RPC messages, server-sent events, and what can go wrong.
//!
//! Written by hand rather than on a client's types: a scanner has to read what a strict client would
//! refuse. Invariant: nothing is kept that is longer than the limit of one answer.

use serde_json::{Value, json};

use super::shown::shown;

/// The revision without sessions.
pub(crate) const STATELESS: &str = "2026-07-28";
/// The newest revision with `initialize`.
pub(crate) const INITIALIZE: &str = "2025-11-25";

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) result: Result<Value, RpcError>,
    pub(crate) marks: Marks,
    /// What the server sent beside it on the way: notifications, and requests of its own.
    pub(crate) asides: Vec<Value>,
    /// The id of the stream's first event, by which it may be resumed.
    pub(crate) event: Option<String>,
}

/// How many asides of one stream are kept.
pub(crate) const MOST_ASIDES: usize = 200;

/// What a message that is no answer says: the parameters of a notification or a request.
pub(crate) fn aside(message: &Value) -> Option<Value> {
    message.get("method")?;
    message.get("params").filter(|it| !it.is_null()).cloned()
}

/// A JSON-RPC error.
#[derive(Clone, Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Value,
}

impl RpcError {
    /// All that a client is told.
    pub(crate) fn text(&self) -> String {
        match &self.data {
            Value::Null => self.message.clone(),
            data => format!("{} {data}", self.message),
        }
    }
}

/// What HTTP headers say about keeping the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) cache_control: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) session: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// 401 or 403.
    Denied(u16),
    /// Another status, with the beginning of its text.
    Status(u16, String),
    Timeout,
    /// The answer is longer than the limit.
    TooLarge,
    /// What came is no answer; why.
    Malformed(&'static str),
    /// The connection or the process is gone.
    Closed(String),
    /// A limit of the scan is reached.
    Limit(&'static str),
}

impl Failure {
    /// One clause for people.
    pub(crate) fn reason(&self) -> String {
        match self {
            Failure::Denied(status) => format!("the server refuses the credentials ({status})"),
            Failure::Status(status, text) if text.trim().is_empty() => {
                format!("the server answers with status {status}")
            }
            Failure::Status(status, text) => {
                format!("the server answers with status {status}: {}", shown(text))
            }
            Failure::Timeout => "no answer came in time".to_owned(),
            Failure::TooLarge => "the answer is longer than --max-bytes".to_owned(),
            Failure::Malformed(why) => format!("the answer can't be read: {why}"),
            Failure::Closed(why) => format!("the connection is gone: {}", shown(why)),
            Failure::Limit(which) => format!("the limit {which} is reached"),
        }
    }
}

/// A request, as bytes.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
        .to_string()
        .into_bytes()
}

/// A notification, as bytes.
pub(crate) fn notification(method: &str) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "method": method })
        .to_string()
        .into_bytes()
}

/// The answer to request `id`, if `message` is it. An error without an id answers the only request
/// there is.
pub(crate) fn answer_to(id: u64, message: &Value) -> Option<Result<Value, RpcError>> {
    let object = message.as_object()?;
    if object.contains_key("method") {
        return None;
    }
    let mine = match object.get("id") {
        Some(Value::Number(number)) => number.as_u64() == Some(id),
        Some(Value::String(text)) => *text == id.to_string(),
        Some(Value::Null) | None => object.contains_key("error"),
        Some(_) => false,
    };
    if !mine {
        return None;
    }
    if let Some(error) = object.get("error") {
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        return Some(Err(RpcError {
            code: error.get("code").and_then(Value::as_i64).unwrap_or(0),
            message: text("message").unwrap_or_default().to_owned(),
            data: error.get("data").cloned().unwrap_or(Value::Null),
        }));
    }
    object.get("result").map(|result| Ok(result.clone()))
}

/// A reader of server-sent events that is fed pieces.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The id of the first event that had one.
    pub(crate) first_id: Option<String>,
    line: Vec<u8>,
    data: Vec<u8>,
    any: bool,
    after_return: bool,
}

impl Events {
    /// Takes a piece and gives the data of every event that ends in it. What is kept is never longer
    /// than what was fed, which the caller bounds.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for byte in piece {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => whole.extend(self.end_of_line()),
                _ => self.line.push(*byte),
            }
        }
        whole
    }

    /// How many bytes wait for their end.
    pub(crate) fn unfinished(&self) -> usize {
        self.line.len() + self.data.len()
    }

    fn end_of_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let any = std::mem::take(&mut self.any);
            let data = std::mem::take(&mut self.data);
            return any.then_some(data);
        }
        if let (Some(value), None) = (line.strip_prefix(b"id:"), &self.first_id) {
            let value = String::from_utf8_lossy(value);
            let value = value.trim();
            if !value.is_empty() && value.len() <= 500 {
                self.first_id = Some(value.to_owned());
            }
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            if std::mem::replace(&mut self.any, true) {
                self.data.push(b'\n');
            }
            let value = value.strip_prefix(b" ").unwrap_or(value);
            self.data.extend_from_slice(value);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_pieces_and_with_every_line_end() {
        let mut events = Events::default();
        let mut got = Vec::new();
        for piece in [
            "\u{feff}: hello\r\n\r\nevent: message\r",
            "\ndata: {\"a\":",
            "1}\r\n\r\ndata: x\ndata:y\n\n",
            "data: unended",
        ] {
            got.extend(events.feed(piece.as_bytes()));
        }
        assert_eq!(got, [b"{\"a\":1}".to_vec(), b"x\ny".to_vec()]);
    }

    #[test]
    fn an_answer_is_known_by_its_id() {
        let answer = answer_to(7, &json!({"id": 7, "result": {}}));
        assert!(matches!(answer, Some(Ok(_))));
        assert!(answer_to(7, &json!({"id": 8, "result": {}})).is_none());
        assert!(answer_to(7, &json!({"id": 7, "method": "ping"})).is_none());
        assert!(answer_to(7, &json!([])).is_none());
        let error = answer_to(7, &json!({"id": null, "error": {"code": -1, "message": 3}}));
        assert!(matches!(error, Some(Err(error)) if error.code == -1 && error.message.is_empty()));
    }
}
