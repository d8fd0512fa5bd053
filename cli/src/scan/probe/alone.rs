//! Each identity for itself: what is offered to it is asked, twice, in the order first, other, other,
//! first, so that what a call leaves behind shows in the next one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level, Place};
use watertight_analysis::uri_template::variables;

use super::{Scene, quote};
use crate::scan::arguments::{neutral, variations};
use crate::scan::ask::{Ask, Seen};
use crate::scan::atoms::{Atoms, Named, common};
use crate::scan::inventory::{LISTS, name_of};
use crate::scan::known::Known;
use crate::scan::wire::Failure;

/// How many resources of a list are read.
const RESOURCES: usize = 20;
/// How many other choices are made for one tool.
const VARIATIONS: usize = 8;

impl Scene<'_> {
    pub(super) async fn alone(&mut self) -> Result<(), Failure> {
        self.tell_uncallable();
        for side in 0..2 {
            self.know_resources(side);
        }
        let [first, other] = [self.neutral_asks(0), self.neutral_asks(1)];
        let mut asks: Vec<Ask> = first.clone();
        asks.extend(other.iter().filter(|it| !first.contains(it)).cloned());
        self.progress.stage("each identity for itself", asks.len());
        // A server of hundreds of tools: what is the same for both is not asked a second time.
        let many = asks.len() as u64 * 4 > self.limits.max_calls / 2;
        for ask in &asks {
            let sides: &[usize] = match (first.contains(ask), other.contains(ask)) {
                (true, true) if many => &[0, 1],
                (true, true) => &[0, 1, 1, 0],
                (true, false) => &[0, 0],
                _ => &[1, 1],
            };
            for side in sides {
                self.keep_alone(*side, ask).await?;
            }
            if sides == [0, 1] && self.differ(ask) {
                self.keep_alone(1, ask).await?;
                self.keep_alone(0, ask).await?;
            }
            self.progress.step(&ask.shown(), self.pace.calls());
        }
        self.varied().await
    }

    /// Whether the first answers to it are not the same.
    fn differ(&self, ask: &Ask) -> bool {
        let (a, b) = (self.memory(0).first(ask), self.memory(1).first(ask));
        match (a.map(|it| &it.content), b.map(|it| &it.content)) {
            (Some(Ok(a)), Some(Ok(b))) => a != b,
            _ => false,
        }
    }

    /// The same tools with one choice made otherwise, the other identity first: what a default leaves
    /// out may leak, and a cache is filled by who comes first.
    async fn varied(&mut self) -> Result<(), Failure> {
        let mut rounds: Vec<Vec<Ask>> = Vec::new();
        let mut names = BTreeSet::new();
        for side in 0..2 {
            let listed = self.inventory(side).first();
            let tools = listed.map(|it| it.entries.as_slice()).unwrap_or_default();
            for tool in tools.iter().filter(|it| self.callable(it)) {
                let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
                let (Some(name), Ok(made)) = (text(tool, "name"), neutral(schema)) else {
                    continue;
                };
                if names.insert(name.to_owned()) {
                    let made = variations(schema, &made, VARIATIONS);
                    rounds.push(made.iter().map(|it| Ask::tool(name, it)).collect());
                }
            }
        }
        let count = rounds.iter().map(Vec::len).sum();
        self.progress.stage("with other choices", count);
        // One of each tool first, so that where calls run out every tool had some.
        for at in 0..VARIATIONS {
            for asks in &rounds {
                let Some(ask) = asks.get(at) else { continue };
                if self.pace.calls() > self.limits.max_calls / 2 {
                    let why = "half of --max-calls went into the first questions";
                    self.out.unseen(why, "further choices of arguments");
                    return Ok(());
                }
                for side in [1, 0, 0, 1] {
                    self.keep_alone(side, ask).await?;
                }
                self.progress.step(&ask.shown(), self.pace.calls());
            }
        }
        Ok(())
    }

    /// Asks for itself and keeps the answer. A failure is not asked for again.
    pub(super) async fn keep_alone(&mut self, side: usize, ask: &Ask) -> Result<bool, Failure> {
        let failed = |it: &Seen| it.content.is_err();
        if self.memory(side).first(ask).is_some_and(failed) {
            return Ok(false);
        }
        let Some(seen) = self.as_one(side, ask).await? else {
            return Ok(false);
        };
        self.heed_error(ask, &seen);
        let succeeded = seen.content.is_ok();
        self.memory_mut(side).keep(ask, seen);
        Ok(succeeded)
    }

    /// What is not called is told.
    fn tell_uncallable(&mut self) {
        let names: BTreeSet<String> = (0..2)
            .filter_map(|side| self.inventory(side).first())
            .flat_map(|listed| &listed.entries)
            .filter(|tool| !self.callable(tool))
            .filter_map(|tool| tool.get("name").and_then(Value::as_str))
            .map(crate::scan::shown::shown)
            .collect();
        for name in names {
            let why = if self.skipped.contains(&name) {
                "--skip-tool names it"
            } else {
                "it is not marked as read-only (`readOnlyHint`); --allow NAME calls it all the same"
            };
            self.out.unseen(why, format!("tool {name}"));
        }
    }

    fn know_resources(&mut self, side: usize) {
        let listed = self.inventory(side).get(2);
        let entries = listed.map(|it| it.entries.clone()).unwrap_or_default();
        for entry in entries {
            if let Some(uri) = entry.get("uri").and_then(Value::as_str) {
                let known = Known {
                    named: Named {
                        key: "uri".to_owned(),
                        parent: "resource".to_owned(),
                        value: Value::from(uri),
                    },
                    source: vec!["resource".to_owned()],
                };
                self.memory_mut(side).known.push(known);
            }
        }
    }

    /// The questions that hold nobody's data.
    fn neutral_asks(&self, side: usize) -> Vec<Ask> {
        let mut asks = Vec::new();
        let entries = |list: usize| {
            let listed = self.inventory(side).get(list);
            listed.map(|it| it.entries.as_slice()).unwrap_or_default()
        };
        for (at, list) in LISTS.iter().enumerate() {
            if !entries(at).is_empty() {
                let method = list.method;
                asks.push(Ask::List { method });
            }
        }
        for tool in entries(0).iter().filter(|tool| self.callable(tool)) {
            let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
            if let (Some(name), Ok(arguments)) = (text(tool, "name"), neutral(schema)) {
                asks.push(Ask::tool(name, &arguments));
            }
        }
        for prompt in entries(1) {
            let schema = prompt_schema(prompt);
            if let (Some(name), Ok(arguments)) = (text(prompt, "name"), neutral(&schema)) {
                asks.push(Ask::Prompt {
                    name: name.to_owned(),
                    arguments: arguments.to_string(),
                });
            }
            if let Some(name) = text(prompt, "name") {
                let reference = json!({ "type": "ref/prompt", "name": name }).to_string();
                let arguments = prompt.get("arguments").and_then(Value::as_array);
                let arguments = arguments.into_iter().flatten();
                asks.extend(self.completions(
                    name,
                    &reference,
                    arguments.filter_map(|it| text(it, "name")),
                ));
            }
        }
        for resource in entries(2).iter().take(RESOURCES) {
            if let Some(uri) = text(resource, "uri") {
                asks.push(Ask::Resource {
                    uri: uri.to_owned(),
                    template: None,
                });
            }
        }
        for template in entries(3) {
            if let Some(uri) = text(template, "uriTemplate") {
                let reference = json!({ "type": "ref/resource", "uri": uri }).to_string();
                let names = variables(uri);
                let names = names.iter().map(|it| it.name.as_str());
                asks.extend(self.completions(uri, &reference, names));
            }
        }
        asks
    }

    fn completions<'n>(
        &self,
        name: &str,
        reference: &str,
        arguments: impl Iterator<Item = &'n str>,
    ) -> Vec<Ask> {
        if !self.completes {
            return Vec::new();
        }
        arguments
            .map(|argument| Ask::Complete {
                reference: reference.to_owned(),
                name: name.to_owned(),
                argument: argument.to_owned(),
                value: String::new(),
            })
            .collect()
    }

    /// The lists and answers that are the same for both: shared, or not filtered.
    pub(super) fn same_for_both(&mut self) {
        let mut plain = BTreeSet::new();
        let asks = self.memory(0).answers.keys().cloned();
        let asks: Vec<Ask> = asks.filter(|it| !matches!(it, Ask::List { .. })).collect();
        for ask in asks {
            let (Some(a), Some(b)) = (self.memory(0).first(&ask), self.memory(1).first(&ask))
            else {
                continue;
            };
            let (Ok(one), Ok(two)) = (&a.content, &b.content) else {
                continue;
            };
            if a.is_empty() && b.is_empty() {
                // Other arguments may have brought something.
                let place = ask.place();
                let something = (0..2).any(|side| {
                    let answers = &self.memory(side).answers;
                    answers.iter().any(|(other, seen)| {
                        other.place() == place
                            && seen.iter().any(|it| it.content.is_ok() && !it.is_empty())
                    })
                });
                if something {
                    continue;
                }
                self.out.unseen(
                    "the answer is empty for both identities",
                    ask.place().to_string(),
                );
                continue;
            }
            // What changes from call to call tells nobody apart.
            let (mine, theirs) = (self.memory(0).stable(&ask), self.memory(1).stable(&ask));
            let same = one == two || (!mine.is_empty() && mine == theirs);
            if !same {
                let place = ask.place();
                let shared: Atoms = common(&mine, &theirs);
                if mine.is_empty() || theirs.is_empty() {
                    self.out.unseen(
                        "its answer is empty for one identity, or holds nothing that tells them apart",
                        place.to_string(),
                    );
                } else if identifying(&shared) {
                    self.out.unseen(
                        "a part of its answer, ids or addresses among it, is the same for both",
                        place.to_string(),
                    );
                } else if common(&a.atoms, &self.private(1)).is_empty()
                    && common(&b.atoms, &self.private(0)).is_empty()
                {
                    // `mixed` and `across` say more.
                    self.out
                        .held(place, "each identity gets an answer of its own");
                }
            } else if rows(one) || identifying(&a.atoms) {
                let message = "two identities of different tenants get the same rows".to_owned();
                let mut finding = Finding::new(Code::SAME_FOR_BOTH, ask.place(), message)
                    .review()
                    .note(format!("asked as {}", quote(&ask.shown())))
                    .note("shared by all tenants, and not filtered at all, look alike from outside")
                    .help("name a text that only one of them may see: --canary TEXT, --other-canary TEXT; or suppress this with the reason why it is shared");
                if self.says_shared(&ask) && !personal(&a.atoms) {
                    finding = finding
                        .level(Level::Low)
                        .note("its name or description says that it is everybody's");
                }
                self.out.find(finding);
            } else {
                plain.insert(ask.place().to_string());
            }
        }
        if !plain.is_empty() {
            let count = plain.len();
            let (what, verb) = if count == 1 {
                ("answer", "is")
            } else {
                ("answers", "are")
            };
            let message = format!(
                "{count} {what} {verb} the same for both identities, so they show nothing of isolation"
            );
            let names: Vec<String> = plain.into_iter().collect();
            let finding = Finding::new(
                Code::SAME_FOR_BOTH,
                Place::object("server", "answers"),
                message,
            )
            .review()
            .level(Level::Low)
            .note(names.join(", "))
            .help(
                "where rows of a tenant should be among them, name one of its texts with --canary",
            );
            self.out.find(finding);
        }
    }

    /// Whether a tool says of itself that what it shows is shared by all.
    fn says_shared(&self, ask: &Ask) -> bool {
        let Ask::Tool { name, .. } = ask else {
            return false;
        };
        let tools = self.inventory(0).first().map(|it| it.entries.as_slice());
        let tool = tools.unwrap_or_default();
        let tool = tool.iter().find(|it| text(it, "name") == Some(name));
        let title =
            tool.and_then(|it| text(it, "title").or_else(|| text(it.get("annotations")?, "title")));
        let said = [
            Some(name.as_str()),
            title,
            tool.and_then(|it| text(it, "description")),
        ];
        said.into_iter().flatten().any(|it| {
            let words = crate::scan::arguments::words(it);
            words.iter().any(|it| SHARED.contains(&it.as_str()))
        })
    }
}

/// Words by which a tool says that its answer is nobody's in particular.
const SHARED: &[&str] = &[
    "public",
    "shared",
    "global",
    "catalog",
    "catalogue",
    "everyone",
    "everybody",
    "country",
    "currency",
    "timezone",
    "holiday",
    "pricing",
    "region",
    "language",
    "price",
    "plan",
    "documentation",
    "doc",
    "faq",
    "changelog",
];

/// Whether addresses of people are in it.
fn personal(atoms: &Atoms) -> bool {
    atoms
        .keys()
        .any(|it| it.contains('@') || it.starts_with('+'))
}

/// The arguments of a prompt as a schema.
pub(super) fn prompt_schema(prompt: &Value) -> Value {
    let arguments = prompt.get("arguments").and_then(Value::as_array);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for argument in arguments.into_iter().flatten() {
        if let Some(name) = text(argument, "name") {
            properties.insert(name.to_owned(), json!({ "type": "string" }));
            if argument.get("required") == Some(&Value::Bool(true)) {
                required.push(name);
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Whether there is a list of objects with ids.
fn rows(content: &Value) -> bool {
    match content {
        Value::Array(list) => {
            let is_row = |it: &&Value| {
                it.as_object().is_some_and(|it| {
                    it.keys().any(|key| {
                        let words = crate::scan::arguments::words(key);
                        let last = words.last().map(String::as_str);
                        matches!(
                            last,
                            Some("id" | "uuid" | "email" | "reference" | "ref" | "phone")
                        )
                    })
                })
            };
            list.iter().filter(is_row).count() >= 2 || list.iter().any(rows)
        }
        Value::Object(object) => object.values().any(rows),
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            serde_json::from_str::<Value>(text).is_ok_and(|it| !it.is_string() && rows(&it))
        }
        _ => false,
    }
}

/// Whether there are ids or addresses of several things.
fn identifying(atoms: &Atoms) -> bool {
    let is = |text: &&String| crate::scan::arguments::is_uuid(text) || text.contains('@');
    atoms.keys().filter(is).count() >= 2
}

/// The name of an entry of the list `index`.
pub(super) fn entry_name(entry: &Value, index: usize) -> String {
    LISTS
        .get(index)
        .map(|list| name_of(entry, list))
        .unwrap_or_default()
}
