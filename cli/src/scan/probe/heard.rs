//! What the server says by itself: on the stream of each session while both ask, and on streams that
//! are taken up again by an event's id.
//!
//! Invariant: a stream is read for as long as the scan lasts and to the limit of one answer, and ends
//! with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Place};

use super::{CALLED, Scene, others_data, quote, said_by};
use crate::scan::atoms::{Strength, all_text, atoms, best, common};
use crate::scan::client::Client;
use crate::scan::http::Stream;
use crate::scan::wire::{Failure, aside};

/// How many messages of one stream are kept.
const MOST: usize = 2000;
/// How long the last messages are waited for.
const LAST: Duration = Duration::from_millis(150);
/// How long a stream that is taken up again is read.
const REPLAY: Duration = Duration::from_secs(2);

/// A stream that is read beside everything else.
pub(super) struct Listener {
    messages: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    fn start(stream: Stream, max_bytes: usize) -> Self {
        let messages: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = Arc::clone(&messages);
        let task = tokio::spawn(read(stream, max_bytes, kept));
        Self { messages, task }
    }

    fn heard(&self) -> Vec<Value> {
        self.messages
            .lock()
            .map(|it| it.clone())
            .unwrap_or_default()
    }
}

async fn read(mut stream: Stream, max_bytes: usize, kept: Arc<Mutex<Vec<Value>>>) {
    let mut bytes = 0_usize;
    while let Some(messages) = stream.next().await {
        let Ok(mut kept) = kept.lock() else { return };
        for message in messages {
            bytes = bytes.saturating_add(message.to_string().len());
            kept.push(message);
        }
        if kept.len() >= MOST || bytes.max(stream.unfinished()) > max_bytes {
            return;
        }
    }
}

impl Scene<'_> {
    /// Opens the stream of each session, where the server has them.
    pub(super) async fn listen(&self) -> Result<Vec<Option<Listener>>, Failure> {
        let mut listeners = Vec::new();
        for client in &self.clients {
            let stream = match client.listen(None).await {
                Ok(stream) => stream,
                Err(failure @ Failure::Limit(_)) => return Err(failure),
                Err(_) => None,
            };
            listeners.push(stream.map(|it| Listener::start(it, client.max_bytes())));
        }
        Ok(listeners)
    }

    /// Looks at what came on the streams.
    pub(super) async fn heard(&mut self, listeners: &[Option<Listener>]) -> Result<(), Failure> {
        if listeners.iter().flatten().next().is_none() {
            return Ok(());
        }
        tokio::time::sleep(LAST).await;
        let place = || Place::object("server", "messages");
        for (side, listener) in listeners.iter().enumerate() {
            let Some(listener) = listener else { continue };
            let said = listener.heard();
            let params: Vec<Value> = said.iter().filter_map(aside).collect();
            let private = self.private(1 - side);
            let said_to = Value::from(params);
            let mut crossing = common(&private, &atoms(&said_to, &[]));
            for text in said_by(&all_text(&said_to), &private) {
                if let Some(strength) = private.get(&text) {
                    crossing.insert(text, *strength);
                }
            }
            if crossing.is_empty() {
                self.out.held(
                    place(),
                    "what it sends by itself holds nothing of the other",
                );
                continue;
            }
            let message = format!(
                "a message to {} holds {} of {}",
                CALLED.get(side).unwrap_or(&""),
                quote(best(&crossing).unwrap_or_default()),
                CALLED.get(1 - side).unwrap_or(&"")
            );
            let mut methods: Vec<&str> = said
                .iter()
                .filter_map(|it| it.get("method")?.as_str())
                .collect();
            methods.sort_unstable();
            methods.dedup();
            let mut finding = others_data(place(), message)
                .note(format!("it came on the session's own stream, where {} were sent", quote(&methods.join(", "))))
                .help("send logs, progress and notifications only to the session that they are about, never to all sessions or to the one that came last");
            if crossing.len() < 2 && !crossing.values().any(|it| *it == Strength::Strong) {
                finding = finding.review();
            }
            self.out.find(finding);
        }
        Ok(())
    }

    /// Takes up the stream of one identity's answer as the other.
    pub(super) async fn replays(&mut self) -> Result<(), Failure> {
        for owner in 0..2 {
            let private = self.private(owner);
            let memory = self.memory(owner);
            let with_event = memory.answers.iter().filter_map(|(ask, seen)| {
                let event = seen.iter().rev().find_map(|it| it.event.clone())?;
                Some((ask.clone(), event, common(&private, &memory.stable(ask))))
            });
            let best_one = with_event.max_by_key(|(.., held)| held.len());
            let Some((ask, event, held)) = best_one.filter(|(.., held)| !held.is_empty()) else {
                continue;
            };
            let Some(client) = self.clients.get(1 - owner).cloned() else {
                continue;
            };
            let place = Place::object("server", "streams");
            let seen = match replayed(&client, &event).await {
                Ok(seen) => seen,
                Err(failure @ Failure::Limit(_)) => return Err(failure),
                Err(_) => Vec::new(),
            };
            let shown = common(&held, &atoms(&Value::from(seen), &[]));
            if shown.is_empty() {
                self.out.held(
                    place,
                    "an event's id of one takes up no stream for the other",
                );
                continue;
            }
            let message = format!(
                "with the id of an event {} is shown {} of {}",
                CALLED.get(1 - owner).unwrap_or(&""),
                quote(best(&shown).unwrap_or_default()),
                CALLED.get(owner).unwrap_or(&"")
            );
            let finding = Finding::new(Code::HANDLE_NOT_BOUND, place, message)
                .note(format!("`GET` with `Last-Event-ID`, of the answer to {}", quote(&ask.shown())))
                .help("keep events with the session that they were sent in, and replay them only there");
            self.out.find(finding);
        }
        Ok(())
    }
}

/// What comes where a session of this identity's own takes up the stream of an event.
async fn replayed(client: &Client, event: &str) -> Result<Vec<Value>, Failure> {
    let fresh = client.with_session().await?;
    let mut heard = Vec::new();
    if let Some(mut stream) = fresh.listen(Some(event)).await? {
        let until = tokio::time::Instant::now() + REPLAY;
        let mut bytes = 0_usize;
        while let Ok(Some(messages)) = tokio::time::timeout_at(until, stream.next()).await {
            bytes = messages.iter().fold(bytes, |bytes, it| {
                bytes.saturating_add(it.to_string().len())
            });
            heard.extend(messages);
            if bytes.max(stream.unfinished()) > client.max_bytes() || heard.len() > MOST {
                break;
            }
        }
    }
    fresh.close().await;
    Ok(heard)
}
