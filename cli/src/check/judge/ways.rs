//! The texts that a builder can make: one for each way through the branches in which something is pushed.
//!
//! Invariant: where a way has a part that is not seen, or there are too many, there are none, and the
//! statement is one that is made at run time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use watertight_analysis::Code;
use watertight_analysis::finding::Level;

use super::super::extract::append;
use super::super::facts::{Adds, Bind, FileFacts, Literal, Statement, Step, Text};
use super::ask::{Answers, Outcome};
use super::origin::Callers;
use super::statements::{Placed, key, one_line};
use super::texts::{Candidate, Resolved};
use super::weigh::CERTAIN;
use super::{Judge, finding};

/// How many ways are looked at.
const MOST: usize = 64;

/// One text, and what is bound in it.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) literal: Literal,
    pub(super) binds: Vec<Bind>,
}

/// Every text that steps can make.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) ways: Vec<Way>,
    /// Whether a loop pushes text, so that there are more of them.
    pub(super) open: bool,
}

impl Judge<'_> {
    pub(super) fn ways(&self, file: &FileFacts, steps: &[Step]) -> Option<Ways> {
        let mut branches: BTreeMap<usize, (BTreeSet<usize>, usize)> = BTreeMap::new();
        let mut open = false;
        for step in steps {
            for arm in &step.when {
                if arm.repeats {
                    open |= matches!(step.adds, Adds::Text(_));
                    continue;
                }
                let branch = branches.entry(arm.branch).or_default();
                branch.0.insert(arm.arm);
                branch.1 = arm.of;
            }
        }
        let mut chosen: Vec<BTreeMap<usize, Option<usize>>> = vec![BTreeMap::new()];
        for (branch, (arms, of)) in branches {
            let mut choices: Vec<Option<usize>> = arms.iter().copied().map(Some).collect();
            if arms.len() < of {
                choices.push(None);
            }
            if chosen.len() * choices.len() > MOST {
                return None;
            }
            let with = |choice: &Option<usize>, so_far: &BTreeMap<usize, Option<usize>>| {
                let mut next = so_far.clone();
                next.insert(branch, *choice);
                next
            };
            let next = choices
                .iter()
                .flat_map(|it| chosen.iter().map(|so_far| with(it, so_far)));
            chosen = next.collect();
        }
        let mut ways: Vec<Way> = Vec::new();
        for choice in chosen {
            let taken = steps.iter().filter(|step| {
                let of_choice = |branch: &usize| choice.get(branch).copied().flatten();
                step.when
                    .iter()
                    .all(|it| it.repeats || of_choice(&it.branch) == Some(it.arm))
            });
            let way = self.way(file, taken)?;
            if ways.iter().all(|it| it.literal.value != way.literal.value) {
                ways.push(way);
            }
        }
        Some(Ways { ways, open })
    }

    fn way<'s>(&self, file: &FileFacts, steps: impl Iterator<Item = &'s Step>) -> Option<Way> {
        let mut way = Way {
            literal: Literal::default(),
            binds: Vec::new(),
        };
        let mut lists = HashSet::new();
        for step in steps {
            match &step.adds {
                Adds::Text(text) => self.append(file, &mut way, text)?,
                Adds::Bind(bind) => {
                    way.binds.push(bind.clone());
                    let number = format!("${}", way.binds.len());
                    way.literal.value.push_str(&number);
                }
                Adds::Between { of, text } => {
                    if !lists.insert(*of) {
                        self.append(file, &mut way, text)?;
                    }
                }
                Adds::Number => {
                    let next = highest(&way.literal.value) + 1;
                    way.literal.value.push_str(&next.to_string());
                }
                Adds::Gap => return None,
            }
        }
        Some(way)
    }

    fn append(&self, file: &FileFacts, way: &mut Way, text: &Text) -> Option<()> {
        let Resolved::Known(found) = self.resolve(file, text) else {
            return None;
        };
        let [only] = found.as_slice() else {
            return None;
        };
        match &only.elsewhere {
            // Its places are those of another file.
            Some(_) => way.literal.value.push_str(&only.literal.value),
            None => append(&mut way.literal, &only.literal),
        }
        if way.literal.span.is_empty() {
            way.literal.span = text.span();
        }
        Some(())
    }
}

/// The highest number of a parameter in a text; a `$` at its end is one that is still to come.
fn highest(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    numbers.max().unwrap_or_default()
}

impl Judge<'_> {
    /// A statement that a builder makes: each of its texts before the prover. One that is refused is
    /// told, and it is clear where all are proved.
    pub(super) fn built(
        &mut self,
        file: &FileFacts,
        statement: &Statement,
        found: Ways,
        callers: &Callers,
        known: &mut Answers,
    ) {
        let Some(schema) = self.schemas.get(file.package).cloned() else {
            return;
        };
        let many = found.ways.len() > 1;
        let mut judged: Vec<(Candidate, Outcome)> = Vec::new();
        for way in found.ways {
            let sql = way.literal.value.clone();
            let binds = match way.binds.is_empty() {
                true => statement.binds.as_deref(),
                false => Some(way.binds.as_slice()),
            };
            let outcome = self.outcome(&schema, &sql, binds, known);
            let candidate = Candidate {
                literal: way.literal,
                elsewhere: None,
                binds: (!way.binds.is_empty()).then_some(way.binds),
            };
            judged.push((candidate, outcome));
        }
        // What is worst of them: surely foreign rows, then anything else that is refused.
        let weight = |outcome: &Outcome| match outcome {
            Outcome::Refused(problems) if problems.iter().any(|it| CERTAIN.contains(&it.code)) => 2,
            Outcome::Refused(_) => 1,
            Outcome::Proved { .. } => 0,
        };
        let chosen = judged.into_iter().max_by_key(|(candidate, outcome)| {
            let binds = candidate.binds.as_ref().map_or(0, Vec::len);
            (weight(outcome), binds)
        });
        let Some((candidate, outcome)) = chosen else {
            return;
        };
        if found.open && weight(&outcome) == 0 {
            let told = finding(
                Code::DYNAMIC_SQL,
                file,
                &statement.text.span(),
                "a loop adds to the text of this statement, so not every text that it makes was looked at",
            )
            .help("values in a loop are bound, with `separated`; or one array: `= ANY($1)`")
            .level(Level::Medium)
            .review()
            .about(key(&candidate.literal.value));
            return self.found(told);
        }
        let place = Placed {
            file,
            statement,
            candidate: &candidate,
            offset: 0,
            taken: true,
        };
        let before = self.verdicts.findings.len();
        self.told(&schema, &place, &candidate.literal.value, outcome, callers);
        for told in self
            .verdicts
            .findings
            .iter_mut()
            .skip(before)
            .filter(|_| many)
        {
            told.notes.push(format!(
                "one of the texts that it can be: {}",
                one_line(&candidate.literal.value)
            ));
        }
    }
}
