//! Handles that the server gave one identity, in the hands of the other: cursors, tasks, request
//! states, subscriptions.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level, Place};

use super::alone::{entry_name, text};
use super::{CALLED, Scene, quote};
use crate::scan::arguments::{neutral, unlike};
use crate::scan::ask::Ask;
use crate::scan::atoms::{atoms, common, content, telling};
use crate::scan::inventory::LISTS;
use crate::scan::shown::shown;
use crate::scan::wire::Failure;

/// How many questions may cause an update.
const NUDGES: usize = 16;

impl Scene<'_> {
    pub(super) async fn handles(&mut self) -> Result<(), Failure> {
        for side in 0..2 {
            self.cursors(side).await?;
            self.tasks(side).await?;
            self.request_states(side).await?;
            self.subscriptions(side).await?;
        }
        Ok(())
    }

    /// Sends a request as one side; nothing where no answer came.
    async fn send(
        &self,
        side: usize,
        method: &str,
        params: Value,
    ) -> Result<Option<Value>, Failure> {
        let Some(client) = self.clients.get(side) else {
            return Ok(None);
        };
        match client.request(method, params).await {
            Ok(answer) => Ok(answer.result.ok()),
            Err(failure @ Failure::Limit(_)) => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// A further page of a list, by the other's cursor.
    async fn cursors(&mut self, side: usize) -> Result<(), Failure> {
        for (at, list) in LISTS.iter().enumerate() {
            let Some(listed) = self.inventory(side).get(at).cloned() else {
                continue;
            };
            let name = |entry: &Value| entry_name(entry, at);
            let own: BTreeSet<String> = self
                .inventory(1 - side)
                .get(at)
                .into_iter()
                .flat_map(|it| &it.entries)
                .map(name)
                .collect();
            // The page on which there is something that the other is not offered.
            let page = listed.pages.iter().find_map(|(cursor, names)| {
                let alone = names.iter().filter(|it| !own.contains(*it));
                let alone: BTreeSet<String> = alone.cloned().collect();
                (!alone.is_empty()).then(|| (cursor.clone(), alone))
            });
            let Some((cursor, alone)) = page else {
                continue;
            };
            let place = Place::object("server", format!("{} cursor", list.method));
            let answer = self
                .send(1 - side, list.method, json!({ "cursor": cursor }))
                .await?;
            let entries = answer
                .as_ref()
                .and_then(|it| it.get(list.member)?.as_array());
            let given: Vec<String> = entries.into_iter().flatten().map(name).collect();
            match given.iter().find(|it| alone.contains(*it)) {
                Some(one) => {
                    let finding = not_bound(
                        place,
                        format!(
                            "a cursor of {} shows {} to {}",
                            called(side),
                            quote(one),
                            called(1 - side)
                        ),
                    );
                    self.out.find(finding);
                }
                None => self
                    .out
                    .held(place, "a cursor of one shows nothing to the other"),
            }
        }
        Ok(())
    }

    /// A task of a read-only tool, looked up by the other.
    async fn tasks(&mut self, side: usize) -> Result<(), Failure> {
        let tools = self
            .inventory(side)
            .first()
            .map(|it| it.entries.clone())
            .unwrap_or_default();
        for tool in &tools {
            if !self.callable(tool) {
                continue;
            }
            let support = tool
                .pointer("/execution/taskSupport")
                .and_then(Value::as_str);
            let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
            let (Some("required" | "optional"), Some(name), Ok(arguments)) =
                (support, text(tool, "name"), neutral(schema))
            else {
                continue;
            };
            let params = json!({ "name": name, "arguments": arguments, "task": { "ttl": 60_000 } });
            let Some(created) = self.send(side, "tools/call", params).await? else {
                continue;
            };
            let id = created
                .pointer("/task/taskId")
                .or_else(|| created.get("taskId"))
                .and_then(Value::as_str);
            let Some(id) = id.map(str::to_owned) else {
                continue;
            };
            let place = Place::object("tool", format!("{}.task", shown(name)));
            let made_up = unlike(&Value::from(id.as_str()));
            let theirs = self
                .send(1 - side, "tasks/get", json!({ "taskId": id }))
                .await?;
            let none = self
                .send(1 - side, "tasks/get", json!({ "taskId": made_up }))
                .await?;
            let listed = self.send(1 - side, "tasks/list", json!({})).await?;
            let in_list = listed.is_some_and(|it| it.to_string().contains(&id));
            if (theirs.is_some() && none.is_none()) || in_list {
                let how = if in_list {
                    "is in the list of"
                } else {
                    "can be looked up by"
                };
                let message = format!("a task of {} {how} {}", called(side), called(1 - side));
                self.out.find(not_bound(place, message));
            } else {
                self.out.held(place, "a task answers only to who began it");
            }
        }
        Ok(())
    }

    /// The state of a call that waits for input, sent by the other.
    async fn request_states(&mut self, side: usize) -> Result<(), Failure> {
        let waiting: Vec<(Ask, String)> = self
            .memory(side)
            .answers
            .iter()
            .filter_map(|(ask, seen)| {
                let state = text(&seen.first()?.raw, "requestState")?;
                Some((ask.clone(), state.to_owned()))
            })
            .collect();
        for (question, state) in waiting {
            let Ask::Tool { name, arguments } = &question else {
                continue;
            };
            let arguments: Value = serde_json::from_str(arguments).unwrap_or(Value::Null);
            let params = |state: &str| json!({ "name": name, "arguments": arguments, "requestState": state });
            let made_up = unlike(&Value::from(state.as_str()));
            let none = self
                .send(
                    1 - side,
                    "tools/call",
                    params(made_up.as_str().unwrap_or_default()),
                )
                .await?;
            let answer = self.send(1 - side, "tools/call", params(&state)).await?;
            let place = Place::object("tool", format!("{}.requestState", shown(name)));
            let held = answer
                .as_ref()
                .map(|it| common(&self.private(side), &atoms(&content(it), &[])));
            match (held, none) {
                (Some(held), _) if telling(&held) => {
                    let message = format!(
                        "a request state of {} shows its data to {}",
                        called(side),
                        called(1 - side)
                    );
                    self.out.find(not_bound(place, message));
                }
                (Some(_), None) => {
                    let message = format!(
                        "a request state of {} is taken from {}",
                        called(side),
                        called(1 - side)
                    );
                    self.out
                        .find(not_bound(place, message).review().level(Level::Medium));
                }
                (None, _) => self.out.held(
                    place,
                    "a request state is taken only from whom it was given to",
                ),
                (Some(_), Some(_)) => self
                    .out
                    .unseen("any request state is answered alike", place.to_string()),
            }
        }
        Ok(())
    }

    /// A subscription to what only the other may read.
    async fn subscriptions(&mut self, side: usize) -> Result<(), Failure> {
        let offered = self.subscribes;
        let Some(uri) = self.own_uri(side).filter(|_| offered) else {
            return Ok(());
        };
        let place = Place::object("resource", format!("{} subscription", shown(&uri)));
        let subscribe = |uri: &Value| json!({ "uri": uri });
        let theirs = self
            .send(
                1 - side,
                "resources/subscribe",
                subscribe(&Value::from(uri.as_str())),
            )
            .await?;
        let none = self
            .send(
                1 - side,
                "resources/subscribe",
                subscribe(&unlike(&Value::from(uri.as_str()))),
            )
            .await?;
        match (theirs, none) {
            (Some(_), None) => {
                let message = format!(
                    "{} may subscribe to a resource of {}",
                    called(1 - side),
                    called(side)
                );
                self.out
                    .find(not_bound(place, message).review().level(Level::Medium));
            }
            (Some(_), Some(_)) => {
                // What the owner does now may reach the subscriber: `heard` tells.
                self.nudge(side).await?;
                self.out.unseen(
                    "every subscription is taken, so whether updates cross can't be told without a change",
                    place.to_string(),
                );
            }
            (None, _) => self
                .out
                .held(place, "a subscription to the other's resource is refused"),
        }
        Ok(())
    }

    /// Asks as one identity what it asked before.
    async fn nudge(&mut self, side: usize) -> Result<(), Failure> {
        let memory = self.memory(side);
        let tools = memory.answers.keys().filter(|ask| {
            matches!(ask, Ask::Tool { .. } | Ask::Resource { .. }) && memory.succeeded(ask)
        });
        let asks: Vec<Ask> = tools.take(NUDGES).cloned().collect();
        for ask in asks {
            self.as_one(side, &ask).await?;
        }
        Ok(())
    }

    /// A resource that only this identity is offered, or else was shown.
    fn own_uri(&self, side: usize) -> Option<String> {
        let listed = |side: usize| -> BTreeSet<String> {
            let listed = self.inventory(side).get(2).into_iter();
            let entries = listed.flat_map(|it| &it.entries);
            let uris = entries.filter_map(|it| text(it, "uri"));
            uris.map(str::to_owned).collect()
        };
        let read = |side: usize| -> BTreeSet<String> {
            let memory = self.memory(side);
            let asks = memory.answers.keys().filter(|ask| memory.succeeded(ask));
            let uris = asks.filter_map(|ask| match ask {
                Ask::Resource { uri, .. } => Some(uri.clone()),
                _ => None,
            });
            uris.collect()
        };
        let mut others = listed(1 - side);
        others.extend(read(1 - side));
        let (listed, read) = (listed(side), read(side));
        let mut own = listed.iter().chain(&read);
        own.find(|it| !others.contains(*it)).cloned()
    }
}

fn called(side: usize) -> &'static str {
    CALLED.get(side).copied().unwrap_or_default()
}

fn not_bound(place: Place, message: String) -> Finding {
    Finding::new(Code::HANDLE_NOT_BOUND, place, message)
        .help("look a handle up together with the caller's tenant, or seal it for the caller")
}
