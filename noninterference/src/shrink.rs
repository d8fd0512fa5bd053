//! Makes a statement that shows a difference smaller, by making the stream of its decisions smaller.

use crate::choice::Choices;
use crate::judge::{self, Judge};
use crate::observe::Verdict;
use crate::run::{Bench, Case, Outcome};
use crate::statement::{Statement, generate};

/// What is left.
#[derive(Clone, Debug)]
pub struct Smaller {
    pub sql: String,
    pub arguments: String,
    pub what: String,
    pub reasons: String,
}

/// Attempts before giving up.
const ATTEMPTS: usize = 600;

/// The smallest statement found that is still accepted and still differs.
pub async fn shrink(
    bench: &mut Bench,
    case: &Case,
    judge: Judge,
    statement: &Statement,
) -> Option<Smaller> {
    let mut best = statement.choices.clone();
    let mut shortest = statement.sql.len();
    let mut answer = None;
    let mut attempts = 0;
    let mut block = best.len().div_ceil(2).max(1);
    loop {
        let mut improved = false;
        let mut at = 0;
        while at < best.len() && attempts < ATTEMPTS {
            let end = (at + block).min(best.len());
            let mut without = best.clone();
            without.drain(at..end);
            let mut zero = best.clone();
            zero[at..end].fill(0);
            for candidate in [without, zero] {
                if candidate == best {
                    continue;
                }
                attempts += 1;
                let Some((smaller, choices, length)) = still(bench, case, judge, candidate).await
                else {
                    continue;
                };
                if length < shortest || (length == shortest && choices.len() < best.len()) {
                    (best, shortest, answer, improved) = (choices, length, Some(smaller), true);
                    break;
                }
            }
            at += block;
        }
        if attempts >= ATTEMPTS || (block == 1 && !improved) {
            return answer;
        }
        if !improved {
            block = block.div_ceil(2);
        }
    }
}

async fn still(
    bench: &mut Bench,
    case: &Case,
    judge: Judge,
    choices: Vec<u32>,
) -> Option<(Smaller, Vec<u32>, usize)> {
    let mut statement = generate(&case.schema, Choices::replay(choices));
    let prepared = judge::prepared(&case.catalog, &statement.sql).ok()?;
    let accepted = judge.judge(&case.catalog, &prepared).ok()?;
    statement.learn(&accepted.reasons);
    match bench.outcome(case, &statement, &prepared).await {
        Outcome::Ran {
            verdict: Verdict::Difference(what),
            arguments,
        } => {
            let length = statement.sql.len();
            let smaller = Smaller {
                sql: statement.sql,
                arguments,
                what,
                reasons: accepted.reasons,
            };
            Some((smaller, statement.choices, length))
        }
        _ => None,
    }
}
