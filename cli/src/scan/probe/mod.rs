//! What two identities are answered: alone, about each other, at the same time.
//!
//! Stages: `alone` asks each for itself and learns what is whose; `across` asks as one for what the
//! other holds; `elsewhere` compares questions; `mixed` asks at the same time, `before` in turn;
//! `beside`, `handles` and `heard` try sessions, handles, streams, caches and no token.
//! Invariant: nothing is called that is neither marked read-only nor allowed by name, and what is
//! said to be another's was stable for that one and unknown to this one.

mod across;
mod alone;
mod before;
mod beside;
mod elsewhere;
mod errors;
mod handles;
mod heard;
mod marks;
mod memory;
mod mixed;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use watertight_analysis::Code;
use watertight_analysis::finding::{Clear, Finding, Level, Place};
use watertight_analysis::words::Extra;

use super::args::Limits;
use super::ask::{Ask, Seen, ask};
use super::atoms::{Atoms, Strength, common, minus};
use super::client::Client;
use super::identity::Identity;
use super::inventory::Inventory;
use super::pace::Pace;
use super::progress::Progress;
use super::shown::shown;
use super::state::State;
use super::wire::Failure;
use memory::Memory;

/// How messages call the two.
pub(crate) const CALLED: [&str; 2] = ["the first identity", "the other identity"];

/// How much of an answer is searched for another's texts.
const SEARCHED: usize = 64 * 1024;
/// How many texts of another are searched for.
const MOST_SEARCHED: usize = 500;

/// What was found.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) findings: Vec<Finding>,
    held: BTreeMap<Place, BTreeSet<&'static str>>,
    /// What was not looked at, by the reason.
    pub(crate) unseen: BTreeMap<String, BTreeSet<String>>,
}

impl Out {
    /// Adds a finding, once.
    pub(crate) fn find(&mut self, finding: Finding) {
        let print = finding.fingerprint();
        match self
            .findings
            .iter_mut()
            .find(|it| it.fingerprint() == print)
        {
            // What is certain replaces what needs review.
            Some(known) if finding.verdict < known.verdict => *known = finding,
            Some(_) => {}
            None => self.findings.push(finding),
        }
    }

    /// Says that something held.
    pub(crate) fn held(&mut self, place: Place, why: &'static str) {
        self.held.entry(place).or_default().insert(why);
    }

    /// Says that something was not looked at.
    pub(crate) fn unseen(&mut self, why: impl Into<String>, what: impl Into<String>) {
        self.unseen
            .entry(why.into())
            .or_default()
            .insert(what.into());
    }

    /// What held and is accused of nothing.
    pub(crate) fn clear(&self) -> Vec<Clear> {
        let accused: BTreeSet<&Place> = self.findings.iter().map(|it| &it.place).collect();
        self.held
            .iter()
            .filter(|(place, _)| !accused.contains(place))
            .map(|(place, why)| {
                let why: Vec<&str> = why.iter().copied().collect();
                Clear::new(place.clone(), why.join("; "))
            })
            .collect()
    }
}

/// Everything that a probe works with.
pub(crate) struct Scene<'a> {
    pub(crate) clients: [Client; 2],
    pub(crate) identities: [Arc<Identity>; 2],
    pub(crate) inventories: [Inventory; 2],
    /// What the server tells each to begin with.
    pub(crate) instructions: [String; 2],
    /// A line without credentials, where they go by headers.
    pub(crate) nobody: Option<Result<Client, Failure>>,
    pub(crate) extra: &'a Extra,
    pub(crate) limits: &'a Limits,
    pub(crate) allowed: &'a [String],
    pub(crate) skipped: &'a [String],
    /// Whether it completes arguments.
    pub(crate) completes: bool,
    /// Whether it takes subscriptions to resources by a request.
    pub(crate) subscribes: bool,
    pub(crate) pace: Arc<Pace>,
    pub(crate) progress: &'a Progress,
    pub(crate) state: &'a mut State,
    pub(crate) memory: [Memory; 2],
    /// What is shown to everybody.
    pub(crate) public: BTreeSet<String>,
    pub(crate) out: Out,
}

impl<'a> Scene<'a> {
    /// Runs all stages; a limit ends them, and is told.
    pub(crate) async fn run(&mut self) {
        if let Err(failure) = self.stages().await {
            self.out.unseen(
                format!(
                    "{}; a later run with --state FILE goes on",
                    failure.reason()
                ),
                "the rest of the probes",
            );
        }
        let recalled = self.state.findings();
        recalled.into_iter().for_each(|it| self.out.find(it));
    }

    async fn stages(&mut self) -> Result<(), Failure> {
        let listeners = self.listen().await?;
        self.alone().await?;
        self.across().await?;
        self.nobody().await?;
        self.same_for_both();
        self.shown_elsewhere();
        self.mixed().await?;
        self.who_came_before().await?;
        self.sessions().await?;
        self.handles().await?;
        self.heard(&listeners).await?;
        self.replays().await?;
        self.caches();
        Ok(())
    }

    /// Asks as one of the two, and heeds what only the other may see.
    async fn as_one(&mut self, side: usize, question: &Ask) -> Result<Option<Seen>, Failure> {
        let Some(client) = self.clients.get(side) else {
            return Ok(None);
        };
        match ask(client, question).await {
            Ok(seen) => {
                self.heed(side, question, &seen);
                Ok(Some(seen))
            }
            Err(failure @ Failure::Limit(_)) => Err(failure),
            Err(failure) => {
                let what = question.place().to_string();
                self.out.unseen(failure.reason(), what);
                Ok(None)
            }
        }
    }

    fn memory(&self, side: usize) -> &Memory {
        let [first, other] = &self.memory;
        if side == 0 { first } else { other }
    }

    fn memory_mut(&mut self, side: usize) -> &mut Memory {
        let [first, other] = &mut self.memory;
        if side == 0 { first } else { other }
    }

    fn identity(&self, side: usize) -> &Identity {
        let [first, other] = &self.identities;
        if side == 0 { first } else { other }
    }

    fn inventory(&self, side: usize) -> &Inventory {
        let [first, other] = &self.inventories;
        if side == 0 { first } else { other }
    }

    /// What is `side`'s alone: stable for it, and neither the other's nor everybody's.
    fn private(&self, side: usize) -> Atoms {
        let others = self.memory(1 - side).own();
        let mut not: BTreeSet<String> = others.into_keys().collect();
        not.extend(self.public.iter().cloned());
        minus(&self.memory(side).own(), &not)
    }

    /// What of `private` is in all that came with an answer: as an atom, or within a longer text.
    fn crossing(&self, private: &Atoms, ask: &Ask, seen: &Seen) -> Atoms {
        let mut crossing = common(private, &seen.all(ask));
        let within = minus(private, &crossing.keys().cloned().collect());
        let sent = ask.sent();
        for text in said_by(&seen.texts(), &within) {
            if !sent.iter().any(|it| it.contains(&text))
                && let Some(strength) = private.get(&text)
            {
                crossing.insert(text, *strength);
            }
        }
        crossing
    }

    /// Whether a tool may be called.
    fn callable(&self, tool: &Value) -> bool {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        let hint = |key: &str| tool.pointer(&format!("/annotations/{key}"));
        let read_only = hint("readOnlyHint") == Some(&Value::Bool(true))
            && hint("destructiveHint") != Some(&Value::Bool(true));
        !self.skipped.iter().any(|it| it == name)
            && (read_only || self.allowed.iter().any(|it| it == name))
    }
}

/// A finding that another's data was shown.
fn others_data(place: Place, message: String) -> Finding {
    Finding::new(Code::OTHERS_DATA, place, message)
        .level(Level::High)
        .help("filter by the tenant of the verified token in every query, and let row-level security enforce it")
}

/// A quoted text of the server.
fn quote(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// Those of `atoms` that stand within texts, as words of their own.
fn said_by(texts: &[String], atoms: &Atoms) -> BTreeSet<String> {
    if atoms.is_empty() {
        return BTreeSet::new();
    }
    let mut all = texts.join("\n");
    for text in texts {
        for inside in super::decode::inside(text) {
            all.push('\n');
            all.push_str(&inside);
        }
    }
    let end = (0..=SEARCHED.min(all.len()))
        .rev()
        .find(|at| all.is_char_boundary(*at));
    let all = all.get(..end.unwrap_or(0)).unwrap_or_default();
    let long = |(text, strength): &(&String, &Strength)| {
        let least = if **strength == Strength::Strong { 5 } else { 8 };
        text.len() >= least && text.chars().any(char::is_alphabetic)
    };
    let stands = |text: &str| {
        all.match_indices(text).any(|(at, _)| {
            let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            let before = all.get(..at).and_then(|it| it.chars().next_back());
            let after = all.get(at + text.len()..);
            edge(before) && edge(after.and_then(|it| it.chars().next()))
        })
    };
    let candidates = atoms.iter().filter(long).take(MOST_SEARCHED);
    let found = candidates.filter(|(text, _)| stands(text));
    found.map(|(text, _)| text.clone()).collect()
}
