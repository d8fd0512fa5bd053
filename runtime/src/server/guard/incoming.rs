//! The request's body: read within limits, and looked at just far enough to know what is asked.
//!
//! Invariant: at most the configured number of bytes is kept, for at most the time limit; nothing
//! of the body is ever part of an answer, except the request's own id.

use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use http::request::Parts;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::refusal::{INVALID_REQUEST, PARSE_ERROR, Refusal};

/// A client that sends slower than that keeps a connection and nothing else.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the body.
pub(super) async fn read<B>(parts: &Parts, body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let announced = parts.headers.get(http::header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge);
    }
    match tokio::time::timeout(TIMEOUT, Limited::new(body, limit).collect()).await {
        Err(_) => Err(Refusal::TooSlow),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(error)) => Err(Refusal::Unreadable(error.to_string())),
    }
}

/// What a message says about itself.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) method: Option<String>,
    /// `params.name`: the tool or prompt.
    pub(super) name: Option<String>,
    /// `params.uri`: the resource.
    pub(super) uri: Option<String>,
    /// The id of a request: a number or a text.
    pub(super) id: Value,
}

impl Asked {
    /// Reads a JSON-RPC message as far as needed.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let malformed = |code| Refusal::Malformed(code, Value::Null);
        let text = std::str::from_utf8(body).map_err(|_| malformed(PARSE_ERROR))?;
        let mut asked: Self = serde_json::from_str(text).map_err(|error| {
            malformed(if error.is_data() {
                INVALID_REQUEST
            } else {
                PARSE_ERROR
            })
        })?;
        if !matches!(asked.id, Value::Number(_) | Value::String(_)) {
            asked.id = Value::Null;
        }
        Ok(asked)
    }

    /// Whether the transport answers it with a session, if there are sessions.
    pub(super) fn opens_a_session(&self) -> bool {
        self.method.as_deref() == Some("initialize")
    }

    pub(super) fn is_tool_call(&self) -> bool {
        self.method.as_deref() == Some("tools/call")
    }
}

/// By hand: a repeated member is an error, because two readers of the message could take it for
/// two different requests, and an unknown member is none.
impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Message;
        impl<'de> Visitor<'de> for Message {
            type Value = Asked;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Asked, A::Error> {
                let (mut method, mut params, mut id) = (None, None, None);
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let repeated = match key.as_ref() {
                        "method" => method.replace(map.next_value::<String>()?).is_some(),
                        "params" => params.replace(map.next_value::<Params>()?).is_some(),
                        "id" => id.replace(map.next_value::<Value>()?).is_some(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            false
                        }
                    };
                    if repeated {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                }
                let params = params.unwrap_or_default();
                Ok(Asked {
                    method,
                    name: params.name,
                    uri: params.uri,
                    id: id.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(Message)
    }
}

/// `params`, of any shape; of an object, its text members `name` and `uri`.
#[derive(Default)]
struct Params {
    name: Option<String>,
    uri: Option<String>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Params, E> {
                Ok(Params::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let (mut name, mut uri) = (None, None);
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let member = match key.as_ref() {
                        "name" => &mut name,
                        "uri" => &mut uri,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if member.replace(map.next_value::<Value>()?).is_some() {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                }
                let text = |member: Option<Value>| member?.as_str().map(str::to_owned);
                Ok(Params {
                    name: text(name),
                    uri: text(uri),
                })
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> i32 {
        match Asked::read(text.as_bytes()) {
            Err(Refusal::Malformed(code, _)) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_names_its_tool() {
        let asked = Asked::read(
            br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"name":"x"}}}"#,
        );
        let asked = asked.unwrap();
        assert!(asked.is_tool_call());
        assert_eq!(asked.name.as_deref(), Some("t"));
        assert_eq!(asked.id, Value::from(7));
    }

    #[test]
    fn other_messages_pass() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":"x","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
        ] {
            Asked::read(text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        assert_eq!(code(r#"{"method":"a","method":"b"}"#), INVALID_REQUEST);
        assert_eq!(
            code(r#"{"method":"a","params":{"name":"a","name":"b"}}"#),
            INVALID_REQUEST
        );
        assert_eq!(
            code(r#"{"method":"a","params":{},"params":{}}"#),
            INVALID_REQUEST
        );
        assert_eq!(code(r#"[{"method":"a"}]"#), INVALID_REQUEST);
        assert_eq!(code("{"), PARSE_ERROR);
        assert_eq!(code("{} {}"), PARSE_ERROR);
        assert_eq!(code("\u{0}"), PARSE_ERROR);
    }
}
