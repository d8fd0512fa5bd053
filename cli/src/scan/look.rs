//! What a server publishes, by the two tiers of words: schemas, prompts' arguments, templates, texts.
//!
//! Invariant: the words and the walk are those of the macros; here they only get another verdict, as
//! nobody can be asked what a stranger's argument means.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use watertight_analysis::Code;
use watertight_analysis::finding::{Clear, Finding, Level, Place};
use watertight_analysis::schema_walk::{self, Rule, descriptions};
use watertight_analysis::uri_template::variables;
use watertight_analysis::words::{Extra, Tier, asks_for_tenant, classify};

use super::inventory::{Inventory, LISTS, name_of};
use super::shown::shown;

/// A longer schema is not walked.
const LARGEST: usize = 512 * 1024;

/// What a look found.
#[derive(Default)]
pub(crate) struct Looked {
    pub(crate) findings: Vec<Finding>,
    pub(crate) clear: Vec<Clear>,
    /// Tools whose schemas are open, told together.
    open: BTreeMap<String, &'static str>,
}

/// Looks at everything that is listed.
pub(crate) fn look(inventory: &Inventory, instructions: &str, extra: &Extra) -> Looked {
    let mut looked = Looked::default();
    for (list, listed) in LISTS.iter().zip(inventory) {
        for entry in &listed.entries {
            let before = looked.findings.len() + looked.open.len();
            let name = name_of(entry, list);
            let one = One {
                kind: list.kind,
                name: &name,
                extra,
            };
            match list.kind {
                "tool" => one.tool(entry, &mut looked),
                "prompt" => one.prompt(entry, &mut looked),
                "resource template" => one.template(entry, &mut looked),
                _ => {}
            }
            one.text("", entry.get("description"), &mut looked);
            if list.kind != "resource" && looked.findings.len() + looked.open.len() == before {
                let place = Place::object(list.kind, name);
                let reason = "no argument of it names a tenant";
                looked.clear.push(Clear::new(place, reason));
            }
        }
    }
    let server = One {
        kind: "server",
        name: "instructions",
        extra,
    };
    server.text("", Some(&Value::from(instructions)), &mut looked);
    looked.tell_open();
    looked
}

impl Looked {
    /// Most servers of the common SDKs are open, so one finding speaks of all their tools.
    fn tell_open(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let names: Vec<String> = self.open.keys().map(|name| format!("`{name}`")).collect();
        let (count, verb) = match names.len() {
            1 => ("one tool".to_owned(), "takes"),
            many => (format!("{many} tools"), "take"),
        };
        let message = format!("{count} {verb} arguments that no schema names");
        let finding = Finding::new(
            Code::OPEN_SCHEMA,
            Place::object("server", "tools"),
            message,
        )
        .review()
        .note(names.join(", "))
        .help("say `\"additionalProperties\": false` in each input schema, and refuse what it does not name");
        self.findings.push(finding);
        self.open.clear();
    }
}

/// One thing that is published.
struct One<'a> {
    kind: &'static str,
    name: &'a str,
    extra: &'a Extra,
}

impl One<'_> {
    fn place(&self, path: &str) -> Place {
        let path = shown(path);
        match path.as_str() {
            "" => Place::object(self.kind, self.name),
            path => Place::object(self.kind, format!("{}.{path}", self.name)),
        }
    }

    fn tool(&self, tool: &Value, looked: &mut Looked) {
        match tool.get("inputSchema") {
            Some(schema) => self.arguments(schema, looked),
            None => self.unread("it has no input schema", looked),
        }
        for (path, text) in tool
            .get("inputSchema")
            .map(descriptions)
            .unwrap_or_default()
        {
            self.text(&path, Some(&Value::from(text)), looked);
        }
        if let Some(schema) = tool.get("outputSchema") {
            self.answers(schema, looked);
        }
    }

    fn prompt(&self, prompt: &Value, looked: &mut Looked) {
        let arguments = prompt.get("arguments").and_then(Value::as_array);
        let arguments: Vec<&Value> = arguments.into_iter().flatten().collect();
        let names = arguments.iter().filter_map(|it| it.get("name")?.as_str());
        self.arguments(&texts(names), looked);
        for argument in arguments {
            let name = argument.get("name").and_then(Value::as_str);
            let text = argument.get("description");
            self.text(name.unwrap_or_default(), text, looked);
        }
    }

    fn template(&self, template: &Value, looked: &mut Looked) {
        let uri = template.get("uriTemplate").and_then(Value::as_str);
        let Some(uri) = uri else {
            return self.unread("it has no `uriTemplate`", looked);
        };
        let variables = variables(uri);
        let names = variables.iter().map(|it| it.name.as_str());
        self.arguments(&texts(names), looked);
        for variable in &variables {
            let own = classify(&variable.name, self.extra);
            if own.is_some_and(|it| it.tier == Tier::First) {
                continue;
            }
            let Some(found) = classify(&variable.label, self.extra) else {
                continue;
            };
            if found.tier == Tier::First {
                let label = shown(&variable.label);
                let message = format!("`{label}` in front of a variable makes it name a tenant");
                let place = self.place(&variable.name);
                looked.findings.push(
                    Finding::new(Code::PUBLISHED_TENANT, place, message)
                        .note(found.reason)
                        .help("take the tenant out of the address, and take it from the verified token"),
                );
            }
        }
    }

    /// What callers may say.
    fn arguments(&self, schema: &Value, looked: &mut Looked) {
        if schema.to_string().len() > LARGEST {
            return self.unread("its schema is larger than 512 KiB", looked);
        }
        for found in schema_walk::walk(schema, self.extra, &|_| false) {
            let place = self.place(&found.path);
            let message = quoted(&found.message).unwrap_or_else(|| shown(&found.message));
            let finding = match found.rule {
                Rule::TenantName | Rule::Header | Rule::ReservedHeader => {
                    Finding::new(Code::PUBLISHED_TENANT, place, message).help(
                        "take it out, and take the tenant from the verified token; or say what it is in watertight-suppressions.toml",
                    )
                }
                Rule::AmbiguousName => Finding::new(Code::TENANT_WORD, place, message)
                    .review()
                    .help("if it chooses the tenant, take it out; otherwise suppress this with that reason"),
                Rule::RawSql => Finding::new(Code::PUBLISHED_SQL, place, message)
                    .review()
                    .help("offer a tool for each question instead of one for every statement"),
                Rule::Unresolved => Finding::new(Code::SCHEMA_UNREAD, place, message).review(),
                Rule::OpenObject | Rule::FreeKeys | Rule::AnyValue => {
                    looked.open.insert(self.name.to_owned(), found.rule.word());
                    continue;
                }
                _ => continue,
            };
            looked.findings.push(finding);
        }
    }

    /// What it says that it answers.
    fn answers(&self, schema: &Value, looked: &mut Looked) {
        if schema.to_string().len() > LARGEST {
            return self.unread("its output schema is larger than 512 KiB", looked);
        }
        for found in schema_walk::walk(schema, self.extra, &|_| false) {
            if found.rule == Rule::TenantName {
                let place = self.place(&format!("output.{}", found.path));
                let message = format!("its answer tells the tenant in `{}`", shown(&found.name));
                looked.findings.push(
                    Finding::new(Code::TENANT_IN_ANSWERS, place, message)
                        .review()
                        .help("leave the property out of the answer: the model does not need it"),
                );
            }
        }
    }

    fn text(&self, path: &str, text: Option<&Value>, looked: &mut Looked) {
        let text = text.and_then(Value::as_str).unwrap_or_default();
        // Prose is a hint; a novel is no description.
        let text = text.get(..20_000).unwrap_or(text);
        if text.len() > 100_000 {
            return;
        }
        if let Some(found) = asks_for_tenant(text, self.extra) {
            let message = format!(
                "a description asks for a tenant: \"{}\"",
                shown(&found.excerpt)
            );
            looked.findings.push(
                Finding::new(Code::ASKS_FOR_TENANT, self.place(path), message)
                    .review()
                    .level(Level::Low)
                    .help("take the sentence out: the tenant is the token's"),
            );
        }
    }

    fn unread(&self, why: &str, looked: &mut Looked) {
        let finding = Finding::new(Code::SCHEMA_UNREAD, self.place(""), why).review();
        looked.findings.push(finding);
    }
}

/// The walk quotes names of the server between backticks; each is made fit to be shown.
fn quoted(message: &str) -> Option<String> {
    let parts: Vec<&str> = message.split('`').collect();
    (parts.len() % 2 == 1).then(|| {
        let parts = parts.iter().enumerate();
        let parts: Vec<String> = parts
            .map(|(at, part)| {
                if at % 2 == 1 {
                    shown(part)
                } else {
                    (*part).to_owned()
                }
            })
            .collect();
        parts.join("`")
    })
}

/// The schema of arguments that are texts.
fn texts<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let properties: Map<String, Value> = names
        .map(|name| (name.to_owned(), json!({ "type": "string" })))
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}
