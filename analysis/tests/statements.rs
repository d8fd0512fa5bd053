//! The corpus of statements: every `reject` is refused, every `accept` is proved.
//!
//! The fixtures are data: see `fixtures/README.md`. No case has an exception here.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Case, cases, catalog, judge};
use watertight_analysis::{Diagnostic, Proof, render};

fn describe(case: &Case, judged: &Result<Proof, Vec<Diagnostic>>) -> String {
    let why = match judged {
        Ok(proof) => format!("{:#?}", proof.occurrences),
        Err(problems) => problems
            .iter()
            .map(|problem| render(problem, &case.sql))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    format!(
        "== {} {} ({})\n{}\n{why}\n",
        case.file, case.name, case.verdict, case.sql
    )
}

#[test]
fn the_corpus() {
    let catalog = catalog();
    let cases = cases();
    assert_eq!(cases.len(), 323);
    let mut wrong = Vec::new();
    let (mut refused, mut proved, mut either) = ((0, 0), (0, 0), (0, 0));
    for case in &cases {
        let judged = judge(&catalog, &case.sql);
        let (score, right) = match case.verdict.as_str() {
            "reject" => (&mut refused, judged.is_err()),
            "accept" => (&mut proved, judged.is_ok()),
            "may-reject" => (&mut either, true),
            other => panic!("{other}"),
        };
        score.0 += usize::from(if case.verdict == "may-reject" {
            judged.is_ok()
        } else {
            right
        });
        score.1 += 1;
        if !right {
            wrong.push(describe(case, &judged));
        }
    }
    println!(
        "rejects refused: {}/{}; accepts proved: {}/{}; of the rest proved: {}/{}",
        refused.0, refused.1, proved.0, proved.1, either.0, either.1
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!((refused.1, proved.1), (145, 148));
}

/// A refusal says where: a place within the text, and never an empty message.
#[test]
fn refusals_have_a_place() {
    let catalog = catalog();
    for case in cases() {
        for problem in judge(&catalog, &case.sql).err().unwrap_or_default() {
            assert!(!problem.message.is_empty());
            assert!(
                !problem.message.contains("bug in watertight"),
                "{}",
                case.name
            );
            let Some(span) = problem.span else { continue };
            assert!(
                case.sql.get(span.clone()).is_some(),
                "{} {span:?}",
                case.name
            );
        }
    }
}

/// Where the mended statement is printed, it is one that no longer has that problem.
#[test]
fn the_mended_statement_is_better() {
    let catalog = catalog();
    let mut mended_some = 0;
    for case in cases() {
        let Err(problems) = judge(&catalog, &case.sql) else {
            continue;
        };
        for problem in &problems {
            let mended = problem
                .help
                .iter()
                .find_map(|help| help.strip_prefix("write: "));
            let Some(mended) = mended.filter(|_| problems.len() == 1) else {
                continue;
            };
            mended_some += 1;
            if let Err(rest) = judge(&catalog, mended) {
                let same = rest
                    .iter()
                    .any(|other| other.code == problem.code && other.message == problem.message);
                assert!(!same, "{}\n{}\n{rest:#?}", case.name, mended);
            }
        }
    }
    assert!(mended_some > 30, "{mended_some}");
}
