//! One question to the server, and what an identity was answered.
//!
//! Invariant: the same question in two mouths is the same bytes, so that answers can be compared.

use serde_json::{Value, json};
use watertight_analysis::finding::Place;

use super::atoms::{Atoms, all_text, atoms, content};
use super::client::Client;
use super::shown::shown;
use super::wire::{Failure, Marks};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ask {
    Tool {
        name: String,
        arguments: String,
    },
    Resource {
        uri: String,
        template: Option<String>,
    },
    Prompt {
        name: String,
        arguments: String,
    },
    Complete {
        reference: String,
        name: String,
        argument: String,
    },
}

impl Ask {
    pub(crate) fn tool(name: &str, arguments: &Value) -> Self {
        Ask::Tool {
            name: name.to_owned(),
            arguments: arguments.to_string(),
        }
    }

    fn request(&self) -> (&'static str, Value) {
        let object = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!({}));
        match self {
            Ask::Tool { name, arguments } => (
                "tools/call",
                json!({ "name": name, "arguments": object(arguments) }),
            ),
            Ask::Resource { uri, .. } => ("resources/read", json!({ "uri": uri })),
            Ask::Prompt { name, arguments } => (
                "prompts/get",
                json!({ "name": name, "arguments": object(arguments) }),
            ),
            Ask::Complete {
                reference,
                argument,
                ..
            } => (
                "completion/complete",
                json!({ "ref": object(reference), "argument": { "name": argument, "value": "" } }),
            ),
        }
    }

    /// What a finding is about.
    pub(crate) fn place(&self) -> Place {
        match self {
            Ask::Tool { name, .. } => Place::object("tool", shown(name)),
            Ask::Prompt { name, .. } => Place::object("prompt", shown(name)),
            Ask::Resource {
                template: Some(template),
                ..
            } => Place::object("resource template", shown(template)),
            Ask::Resource { uri, .. } => Place::object("resource", shown(uri)),
            Ask::Complete { name, argument, .. } => {
                Place::object("completion", format!("{}.{}", shown(name), shown(argument)))
            }
        }
    }

    /// The words of its name.
    pub(crate) fn words(&self) -> Vec<String> {
        let name = match self {
            Ask::Tool { name, .. } | Ask::Prompt { name, .. } => name,
            Ask::Resource { uri, template } => template.as_ref().unwrap_or(uri),
            Ask::Complete { argument, .. } => argument,
        };
        super::arguments::words(name)
    }

    /// For people: `get_ticket {"id":"…"}`.
    pub(crate) fn shown(&self) -> String {
        match self {
            Ask::Tool { name, arguments } | Ask::Prompt { name, arguments } => {
                format!("{} {}", shown(name), shown(arguments))
            }
            Ask::Resource { uri, .. } => shown(uri),
            Ask::Complete { argument, .. } => format!("completions of {}", shown(argument)),
        }
    }

    /// The values that are sent.
    pub(crate) fn sent(&self) -> Vec<String> {
        let mut sent = match self {
            Ask::Tool { arguments, .. } | Ask::Prompt { arguments, .. } => {
                all_text(&serde_json::from_str(arguments).unwrap_or(Value::Null))
            }
            Ask::Resource { uri, .. } => {
                let last = uri.rsplit(['/', ':', '=']).next().unwrap_or(uri);
                vec![uri.clone(), last.to_owned()]
            }
            Ask::Complete { .. } => Vec::new(),
        };
        sent.sort_by_key(|it| std::cmp::Reverse(it.len()));
        sent
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The content where it is one; the error otherwise.
    pub(crate) content: Result<Value, String>,
    pub(crate) atoms: Atoms,
    pub(crate) marks: Marks,
    pub(crate) scope: Option<String>,
    /// The whole result, for what the protocol says beside the content.
    pub(crate) raw: Value,
}

impl Seen {
    /// Everything that was said, a text each.
    pub(crate) fn texts(&self) -> Vec<String> {
        match &self.content {
            Ok(content) => all_text(content),
            Err(error) => vec![error.clone()],
        }
    }

    /// Whether there is something in it: an empty list is an answer that shows nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.content {
            Ok(content) => !all_text(content).iter().any(|it| {
                let it = it.trim();
                !it.is_empty() && !matches!(it, "text" | "text/plain" | "application/json")
            }),
            Err(_) => false,
        }
    }
}

/// Asks.
pub(crate) async fn ask(client: &Client, ask: &Ask) -> Result<Seen, Failure> {
    let (method, params) = ask.request();
    let answer = client.request(method, params).await?;
    Ok(match answer.result {
        Ok(result) => {
            let body = content(&result);
            let failed = result.get("isError") == Some(&Value::Bool(true));
            Seen {
                atoms: atoms(&body, &ask.sent()),
                scope: super::inventory::cache_scope(&result),
                content: if failed {
                    Err(all_text(&body)
                        .into_iter()
                        .filter(|it| it != "text")
                        .collect::<Vec<_>>()
                        .join(" "))
                } else {
                    Ok(body)
                },
                marks: answer.marks,
                raw: result,
            }
        }
        Err(error) => Seen {
            atoms: atoms(&Value::from(error.text()), &ask.sent()),
            content: Err(error.text()),
            marks: answer.marks,
            scope: None,
            raw: Value::Null,
        },
    })
}
