//! What two identities are answered: alone, about each other, at the same time.
//!
//! Stages: `alone` asks each for itself and learns what is whose; `across` asks as one for what the
//! other holds; `mixed` asks at the same time; `beside` tries sessions, handles, caches and no token.
//! Invariant: nothing is called that is neither marked read-only nor allowed by name, and what is
//! said to be another's was stable for that one and unknown to this one.

mod across;
mod alone;
mod beside;
mod errors;
mod handles;
mod marks;
mod memory;
mod mixed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use watertight_analysis::Code;
use watertight_analysis::finding::{Clear, Finding, Level, Place};
use watertight_analysis::words::Extra;

use super::args::Limits;
use super::ask::{Ask, Seen, ask};
use super::atoms::{Atoms, minus};
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
        self.alone().await?;
        self.across().await?;
        self.nobody().await?;
        self.same_for_both();
        self.shown_elsewhere();
        self.mixed().await?;
        self.sessions().await?;
        self.handles().await?;
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
