//! A server of a few lines, for what no SDK would do: it answers whatever a test says, byte for byte.
#![allow(unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

/// What a request was.
pub struct Request {
    pub token: String,
    pub session: String,
    pub method: String,
    pub params: Value,
    pub id: Value,
}

impl Request {
    /// A JSON answer.
    pub fn result(&self, result: Value) -> Vec<u8> {
        self.message(&json!({ "jsonrpc": "2.0", "id": self.id, "result": result }))
    }

    /// A tool's text.
    pub fn text(&self, text: &str) -> Vec<u8> {
        self.result(json!({ "content": [{ "type": "text", "text": text }] }))
    }

    /// A tool's error.
    pub fn failure(&self, text: &str) -> Vec<u8> {
        self.result(json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
    }

    /// A JSON-RPC error.
    pub fn error(&self, text: &str) -> Vec<u8> {
        let error = json!({ "code": -32601, "message": text });
        self.message(&json!({ "jsonrpc": "2.0", "id": self.id, "error": error }))
    }

    fn message(&self, message: &Value) -> Vec<u8> {
        response(
            "200 OK",
            "content-type: application/json\r\n",
            &message.to_string(),
        )
    }

    /// `server/discover` of a server with tools.
    pub fn discovered(&self) -> Vec<u8> {
        self.result(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "fake" } },
        }))
    }

    /// `tools/list`, with the name, the arguments and whether it only reads, of each tool.
    pub fn tools(&self, tools: &[(&str, &[&str], bool)], more: Value) -> Vec<u8> {
        let tools: Vec<Value> = tools
            .iter()
            .map(|(name, arguments, reads)| {
                let properties: serde_json::Map<String, Value> = arguments
                    .iter()
                    .map(|it| ((*it).to_owned(), json!({ "type": "string" })))
                    .collect();
                json!({
                    "name": name,
                    "inputSchema": {
                        "type": "object",
                        "properties": properties,
                        "required": arguments,
                        "additionalProperties": false,
                    },
                    "annotations": { "readOnlyHint": reads },
                })
            })
            .collect();
        let mut result = json!({ "tools": tools });
        for (key, value) in more.as_object().unwrap() {
            result[key] = value.clone();
        }
        self.result(result)
    }

    /// An argument of the tool that is called.
    pub fn argument(&self, name: &str) -> &str {
        self.params["arguments"][name].as_str().unwrap_or_default()
    }

    /// The tool that is called.
    pub fn tool(&self) -> &str {
        self.params["name"].as_str().unwrap_or_default()
    }
}

/// A whole response.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Serves until the test process ends, and gives the URL.
pub fn serve(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || connection(stream, &*answer));
        }
    });
    url
}

fn connection(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Vec<u8>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut token, mut session, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            match name.to_lowercase().as_str() {
                "authorization" => token = value.trim().replace("Bearer ", ""),
                "mcp-session-id" => session = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let request = Request {
            token,
            session,
            method: body["method"].as_str().unwrap_or_default().to_owned(),
            params: body["params"].clone(),
            id: body["id"].clone(),
        };
        let bytes = if request.id.is_null() {
            response("202 Accepted", "", "")
        } else {
            answer(&request)
        };
        stream.write_all(&bytes).ok()?;
    }
}
