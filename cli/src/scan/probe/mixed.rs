//! Both at the same time: does an answer hold what only the other's answers hold otherwise?
//!
//! Invariant: before anyone is accused, both are asked again alone: what was mixed up must be in every
//! answer of its owner, and in no answer of the other.

use futures_util::future::join_all;
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level};

use super::{CALLED, Scene, quote};
use crate::scan::ask::{Ask, Seen, ask};
use crate::scan::atoms::{Atoms, Strength, best, common, minus, telling};
use crate::scan::wire::Failure;

/// How many questions are asked at the same time as both.
const QUESTIONS: usize = 24;
/// How often each is.
const ROUNDS: usize = 3;
/// How often each identity is asked alone before the other is accused.
const ALONE: usize = 4;

impl Scene<'_> {
    pub(super) async fn mixed(&mut self) -> Result<(), Failure> {
        self.in_turn().await?;
        let pairs = self.pairs();
        self.progress.stage("both at the same time", pairs.len());
        for pair in pairs {
            let unit = format!("mixed {pair:?}");
            if !self.state.is_done(&unit) {
                let before = self.out.findings.len();
                self.burst(&pair).await?;
                let new = self.out.findings.get(before..).unwrap_or_default();
                self.state.done(&unit, new);
            }
            let [first, _] = &pair;
            self.progress.step(&first.shown(), self.pace.calls());
        }
        Ok(())
    }

    /// What was mixed up already while they asked one after the other.
    async fn in_turn(&mut self) -> Result<(), Failure> {
        for side in 0..2 {
            let private = self.private(1 - side);
            let mut found = Vec::new();
            for (question, answers) in &self.memory(side).answers {
                let crossing = answers
                    .iter()
                    .map(|seen| self.crossing(&private, question, seen));
                if let Some(crossing) = crossing.max_by_key(Atoms::len)
                    && !crossing.is_empty()
                {
                    found.push((question.clone(), crossing));
                }
            }
            for (question, crossing) in found {
                self.accuse(side, &question, &crossing, "one after the other")
                    .await?;
            }
        }
        Ok(())
    }

    /// Questions for both: the same where both may ask it, and each for its own objects.
    fn pairs(&self) -> Vec<[Ask; 2]> {
        let private = [self.private(0), self.private(1)];
        let [mine, theirs] = &private;
        let holds = |side: usize, ask: &Ask, own: &Atoms| {
            self.memory(side).succeeded(ask)
                && !common(own, &self.memory(side).stable(ask)).is_empty()
        };
        let first: Vec<&Ask> = self
            .memory(0)
            .answers
            .keys()
            .filter(|it| holds(0, it, mine))
            .collect();
        let other: Vec<&Ask> = self
            .memory(1)
            .answers
            .keys()
            .filter(|it| holds(1, it, theirs))
            .collect();
        let mut pairs = Vec::new();
        for ask in &first {
            // The same place, the same question where possible.
            let partner = other
                .iter()
                .find(|it| it == &ask)
                .or_else(|| other.iter().find(|it| it.place() == ask.place()))
                .or_else(|| other.first());
            let partner = match partner {
                Some(partner) => (*partner).clone(),
                // Nothing of the other's can show in the answer, but the reverse can.
                None => (*ask).clone(),
            };
            pairs.push([(*ask).clone(), partner]);
        }
        for ask in &other {
            if !first.iter().any(|it| it.place() == ask.place()) {
                let partner = first
                    .first()
                    .map_or_else(|| (*ask).clone(), |it| (*it).clone());
                pairs.push([partner, (*ask).clone()]);
            }
        }
        // One pair for each place first, then the rest.
        let mut seen = std::collections::BTreeSet::new();
        let (mut chosen, rest): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .partition(|[a, b]| seen.insert((a.place(), b.place())));
        chosen.extend(rest);
        chosen.truncate(QUESTIONS);
        chosen
    }

    async fn burst(&mut self, pair: &[Ask; 2]) -> Result<(), Failure> {
        let [first, other] = pair;
        let (mine, theirs) = (self.private(0), self.private(1));
        let mut clean = true;
        for round in 0..ROUNDS {
            let [a, b] = &self.clients;
            // Irregular, so that no pool of connections happens to give each identity its own.
            let sides = (0..self.limits.concurrency.max(2)).map(|at| {
                if at < 2 {
                    at
                } else {
                    ((at + 5 * round).count_ones() % 2) as usize
                }
            });
            let calls = sides.map(|side| {
                let (client, question) = if side == 0 { (a, first) } else { (b, other) };
                async move { (side, ask(client, question).await) }
            });
            let mut answers: Vec<(usize, Seen)> = Vec::new();
            for (side, answer) in join_all(calls).await {
                match answer {
                    Ok(seen) => answers.push((side, seen)),
                    Err(failure @ Failure::Limit(_)) => return Err(failure),
                    Err(failure) => {
                        let question = if side == 0 { first } else { other };
                        let why = format!("{} when asked at the same time", failure.reason());
                        self.out.unseen(why, question.place().to_string());
                    }
                }
            }
            let mut suspects = [Atoms::new(), Atoms::new()];
            for (side, seen) in &answers {
                let (side, question, private) = if *side == 0 {
                    (0, first, &theirs)
                } else {
                    (1, other, &mine)
                };
                self.heed(side, question, seen);
                if let Some(suspect) = suspects.get_mut(side) {
                    let crossing = self.crossing(private, question, seen);
                    if crossing.len() > suspect.len() {
                        *suspect = crossing;
                    }
                }
            }
            for (side, crossing) in suspects.iter().enumerate() {
                if !crossing.is_empty() {
                    clean = false;
                    let question = if side == 0 { first } else { other };
                    self.accuse(side, question, crossing, "at the same time")
                        .await?;
                }
            }
            if !clean {
                break;
            }
        }
        if clean {
            for question in [first, other] {
                self.out.held(
                    question.place(),
                    "asked by both at the same time, nothing is mixed up",
                );
            }
        }
        Ok(())
    }

    /// Asks both alone; then tells what was mixed up, or that it can't be told.
    async fn accuse(
        &mut self,
        side: usize,
        question: &Ask,
        crossing: &Atoms,
        when: &str,
    ) -> Result<(), Failure> {
        let owner = 1 - side;
        let Some(source) = self.memory(owner).source_of(crossing) else {
            return Ok(());
        };
        let mut steady = common(crossing, &self.memory(owner).stable(&source));
        for _ in 0..ALONE {
            let Some(seen) = self.as_one(owner, &source).await? else {
                return Ok(());
            };
            steady = common(&steady, &seen.atoms);
        }
        // The first one alone may still hold what the owner's last call left behind.
        let mut alone = Vec::new();
        for at in 0..=ALONE {
            let Some(seen) = self.as_one(side, question).await? else {
                return Ok(());
            };
            if at > 0 {
                alone.push(self.crossing(&steady, question, &seen));
            }
        }
        let also = alone.iter().flat_map(|it| it.keys().cloned()).collect();
        if alone
            .iter()
            .all(|it| !steady.is_empty() && it.len() == steady.len())
        {
            self.switched(side, question, &steady);
        }
        let steady = minus(&steady, &also);
        let whole = common(&self.private(owner), &self.memory(owner).stable(&source));
        let enough = steady
            .values()
            .filter(|it| **it == Strength::Strong)
            .count()
            >= 2
            || (telling(&steady) && steady.len() * 2 >= whole.len());
        if steady.is_empty() {
            // Both are shown it now and then: it is not the owner's alone.
            return Ok(());
        }
        let (own, other) = (
            CALLED.get(side).unwrap_or(&""),
            CALLED.get(owner).unwrap_or(&""),
        );
        let message = format!(
            "an answer to {own} holds {} of {other} when both ask {when}",
            quote(best(&steady).unwrap_or_default())
        );
        let mut finding = Finding::new(Code::ANSWERS_MIX, question.place(), message)
            .level(Level::High)
            .note(format!("asked as {}", quote(&question.shown())))
            .note(format!(
                "asked alone, {other} is always shown it, and {own} never is ({ALONE} times each)"
            ))
            .help("keep the tenant in the request's own context, in its transaction (SET LOCAL), and in every cache key; never in a global, a field of the server or a pooled connection");
        if !enough {
            finding = finding.review();
        }
        self.out.find(finding);
        Ok(())
    }

    /// One identity was shown something of its own at first; since the other asked it is shown what
    /// the other is. A list that changed for both at that moment looks the same, so it is no certainty.
    fn switched(&mut self, side: usize, question: &Ask, now: &Atoms) {
        let owner = 1 - side;
        let Some(first) = self.memory(side).first(question) else {
            return;
        };
        let ever: std::collections::BTreeSet<String> = self
            .memory(owner)
            .answers
            .keys()
            .flat_map(|ask| self.memory(owner).ever(ask))
            .collect();
        let lost = minus(&first.atoms, &ever);
        if !telling(&lost) || !telling(now) || !common(&first.atoms, now).is_empty() {
            return;
        }
        let (own, other) = (
            CALLED.get(side).unwrap_or(&""),
            CALLED.get(owner).unwrap_or(&""),
        );
        let message = format!(
            "{own} is shown {} as {other} is, once {other} has asked",
            quote(best(now).unwrap_or_default())
        );
        let finding = Finding::new(Code::ANSWERS_MIX, question.place(), message)
            .level(Level::High)
            .review()
            .note(format!(
                "before, it was shown {}, and {other} never was",
                quote(best(&lost).unwrap_or_default())
            ))
            .note(format!("asked as {}", quote(&question.shown())))
            .help("put the tenant into every cache key; if the list changed for all while it was looked at, suppress this with that reason");
        self.out.find(finding);
    }
}
