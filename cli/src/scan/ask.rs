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
        /// What is completed.
        value: String,
    },
    /// A list of what is offered, which has texts in it too.
    List {
        method: &'static str,
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
                value,
                ..
            } => (
                "completion/complete",
                json!({ "ref": object(reference), "argument": { "name": argument, "value": value } }),
            ),
            Ask::List { method } => (method, json!({})),
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
            Ask::List { method } => Place::object("server", *method),
        }
    }

    /// The words of its name.
    pub(crate) fn words(&self) -> Vec<String> {
        let name = match self {
            Ask::Tool { name, .. } | Ask::Prompt { name, .. } => name,
            Ask::Resource { uri, template } => template.as_ref().unwrap_or(uri),
            Ask::Complete { argument, .. } => argument,
            Ask::List { method } => method.split('/').next().unwrap_or_default(),
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
            Ask::Complete {
                argument, value, ..
            } if value.is_empty() => format!("completions of {}", shown(argument)),
            Ask::Complete {
                argument, value, ..
            } => format!("completions of {} {}", shown(argument), shown(value)),
            Ask::List { method } => (*method).to_owned(),
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
            // A beginning is completed, so it is no echo where it comes back.
            Ask::Complete { .. } | Ask::List { .. } => Vec::new(),
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
    /// What came beside the answer: `_meta`, notifications on the way, requests of the server's.
    pub(crate) beside: Value,
    /// By which the stream of the answer may be resumed.
    pub(crate) event: Option<String>,
}

impl Seen {
    /// Everything that was said, a text each.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts = match &self.content {
            Ok(content) => all_text(content),
            Err(error) => vec![error.clone()],
        };
        texts.extend(all_text(&self.beside));
        texts
    }

    /// The atoms of all that came, what is beside the answer with it.
    pub(crate) fn all(&self, ask: &Ask) -> Atoms {
        let mut all = self.atoms.clone();
        if !self.beside.is_null() {
            all.extend(atoms(&self.beside, &ask.sent()));
        }
        all
    }

    /// Whether there is something in it: an empty list is an answer that shows nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.content {
            Ok(content) => !all_text(content).iter().any(|it| {
                let it = it.trim();
                !it.is_empty() && !matches!(it, "0" | "text" | "text/plain" | "application/json")
            }),
            Err(_) => false,
        }
    }
}

/// Asks.
pub(crate) async fn ask(client: &Client, ask: &Ask) -> Result<Seen, Failure> {
    let (method, params) = ask.request();
    let answer = client.request(method, params).await?;
    let beside = |meta: Option<&Value>| match (meta, answer.asides.as_slice()) {
        (None, []) => Value::Null,
        (meta, asides) => json!([meta, asides]),
    };
    Ok(match &answer.result {
        Ok(result) => {
            let body = content(result);
            let failed = result.get("isError") == Some(&Value::Bool(true));
            Seen {
                atoms: atoms(&body, &ask.sent()),
                scope: super::inventory::cache_scope(result),
                content: if failed {
                    Err(all_text(&body)
                        .into_iter()
                        .filter(|it| it != "text")
                        .collect::<Vec<_>>()
                        .join(" "))
                } else {
                    Ok(body)
                },
                beside: beside(result.get("_meta")),
                raw: result.clone(),
                event: answer.event,
                marks: answer.marks,
            }
        }
        Err(error) => Seen {
            atoms: atoms(&Value::from(error.text()), &ask.sent()),
            content: Err(error.text()),
            beside: beside(None),
            marks: answer.marks,
            event: answer.event,
            scope: None,
            raw: Value::Null,
        },
    })
}
