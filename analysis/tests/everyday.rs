//! What everyday code sends: whole products with their migrations, each statement as a careful
//! engineer writes it (proved) and as a tired one does (refused, and mended by what the help says).
//!
//! The fixtures are data: see `fixtures/everyday/README.md`. Invariant: no mark is without effect,
//! so a statement that is proved however it is spoiled fails the test.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;

use common::{fixtures, judge, texts};
use watertight_analysis::migrations::{SourceFile, order};
use watertight_analysis::{Catalog, Config, Diagnostic, render};

/// A statement with its marks.
struct Case {
    name: String,
    /// The code of the rule that refuses even the careful form.
    refused: Option<String>,
    marked: String,
}

fn products() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(fixtures().join("everyday"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn catalog(product: &str) -> Catalog {
    let folder = fixtures().join("everyday").join(product);
    let text = fs::read_to_string(folder.join("watertight.toml")).unwrap();
    let config = Config::parse(&text).unwrap_or_else(|why| panic!("{product}: {why:?}"));
    let files = texts(&format!("everyday/{product}/migrations"))
        .into_iter()
        .map(|(path, text)| SourceFile { path, text })
        .collect();
    Catalog::build(&config, &order(files).unwrap())
}

fn cases(product: &str) -> Vec<Case> {
    let file = fixtures().join(format!("everyday/{product}/statements.sql"));
    let text = fs::read_to_string(file).unwrap();
    text.split("-- name: ")
        .skip(1)
        .map(|part| {
            let (name, rest) = part.split_once('\n').unwrap();
            let (refused, marked) = match rest.strip_prefix("-- refused: ") {
                Some(rest) => {
                    let (code, marked) = rest.split_once('\n').unwrap();
                    (Some(code.to_owned()), marked)
                }
                None => (None, rest),
            };
            Case {
                name: format!("{product}/{name}"),
                refused,
                marked: marked.trim_end().to_owned(),
            }
        })
        .collect()
}

/// The statement with every mark as the careful engineer writes it, but for the one that is spoiled.
fn write(marked: &str, spoiled: Option<usize>) -> String {
    let mut sql = String::new();
    for (number, part) in marked.split('«').enumerate() {
        let Some(before) = number.checked_sub(1) else {
            sql.push_str(part);
            continue;
        };
        let (mark, after) = part.split_once('»').unwrap();
        let (careful, tired) = mark.split_once('¦').unwrap_or((mark, ""));
        sql.push_str(if spoiled == Some(before) {
            tired
        } else {
            careful
        });
        sql.push_str(after);
    }
    sql
}

fn told(problems: &[Diagnostic], sql: &str) -> String {
    problems
        .iter()
        .map(|problem| render(problem, sql))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The statement that the help proposes.
fn mended(problems: &[Diagnostic]) -> Option<String> {
    problems
        .iter()
        .flat_map(|problem| &problem.help)
        .find_map(|help| help.strip_prefix("write: "))
        .map(ToOwned::to_owned)
}

#[test]
fn careful_statements_are_proved() {
    let (mut proved, mut wrong) = (0, Vec::new());
    for product in products() {
        let catalog = catalog(&product);
        for case in cases(&product) {
            let sql = write(&case.marked, None);
            match (judge(&catalog, &sql), &case.refused) {
                (Ok(_), None) => proved += 1,
                (Err(problems), Some(code))
                    if problems.iter().all(|problem| problem.code.number() == code) => {}
                (Ok(_), Some(code)) => {
                    wrong.push(format!("{} is proved in spite of {code}\n{sql}", case.name));
                }
                (Err(problems), _) => {
                    wrong.push(format!("{}\n{}", case.name, told(&problems, &sql)));
                }
            }
        }
    }
    println!("{proved} careful statements are proved");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(proved >= 500, "{proved}");
}

#[test]
fn tired_statements_are_refused_and_the_help_mends_them() {
    let (mut refused, mut mends, mut wrong) = (0, 0, Vec::new());
    for product in products() {
        let catalog = catalog(&product);
        for case in cases(&product) {
            for mark in 0..case.marked.matches('«').count() {
                let name = format!("{}, mark {}", case.name, mark + 1);
                let spoiled = write(&case.marked, Some(mark));
                let Err(mut problems) = judge(&catalog, &spoiled) else {
                    wrong.push(format!("{name} is proved:\n{spoiled}"));
                    continue;
                };
                refused += 1;
                if problems.iter().any(|problem| problem.help.is_empty()) {
                    wrong.push(format!(
                        "{name} has no help:\n{}",
                        told(&problems, &spoiled)
                    ));
                }
                // One place is mended at a time; a statement can have several.
                let mut sql = spoiled;
                for _ in 0..4 {
                    let Some(mend) = mended(&problems) else { break };
                    sql = mend;
                    match judge(&catalog, &sql) {
                        Ok(_) => {
                            mends += 1;
                            problems.clear();
                        }
                        Err(again) => problems = again,
                    }
                }
                if mended(&problems).is_some() {
                    wrong.push(format!("{name} stays refused:\n{}", told(&problems, &sql)));
                }
            }
        }
    }
    println!("{refused} tired statements are refused, {mends} mended by the help alone");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(refused >= 400, "{refused}");
    assert!(mends >= 350, "{mends}");
}
