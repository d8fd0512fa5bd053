//! The checklist of what a statement can contain: each construct with a twin that leaks.
//!
//! `fixtures/constructs` holds one file per topic: `-- schema` with migrations (else `schema.sql`),
//! then `-- proved [rls|predicate]` or `-- refused CODE`, each with its statement.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{catalog_of, fixtures, judge, texts};
use watertight_analysis::prove::Grade;
use watertight_analysis::{Catalog, Config, render};

/// A statement and what is expected of it.
struct Case {
    line: usize,
    expected: String,
    sql: String,
}

/// The schema and the cases of a file.
fn read(text: &str) -> (Option<String>, Vec<Case>) {
    let (mut schema, mut cases) = (None, Vec::<Case>::new());
    let mut in_schema = false;
    for (number, line) in text.lines().enumerate() {
        let header = line.strip_prefix("-- ").filter(|rest| {
            let word = rest.split(' ').next();
            matches!(word, Some("schema" | "proved" | "refused"))
        });
        match header {
            Some("schema") => {
                in_schema = true;
                schema = Some(String::new());
            }
            Some(expected) => {
                in_schema = false;
                cases.push(Case {
                    line: number + 1,
                    expected: expected.to_owned(),
                    sql: String::new(),
                });
            }
            None if line.starts_with("-- ==") => {}
            None => {
                let into = match (in_schema, cases.last_mut()) {
                    (true, _) => schema.as_mut().unwrap(),
                    (false, Some(case)) => &mut case.sql,
                    (false, None) => continue,
                };
                into.push_str(line);
                into.push('\n');
            }
        }
    }
    for case in &mut cases {
        case.sql = case.sql.trim().trim_end_matches(';').to_owned();
    }
    (schema, cases)
}

fn problem(catalog: &Catalog, case: &Case) -> Option<String> {
    let judged = judge(catalog, &case.sql);
    let mut words = case.expected.split(' ');
    match (words.next().unwrap(), words.next(), judged) {
        ("proved", grade, Ok(proof)) => {
            let found = match proof.grade {
                Grade::Rls => "rls",
                Grade::Predicate => "predicate",
            };
            grade
                .is_some_and(|grade| grade != found)
                .then(|| format!("has the grade {found}"))
        }
        ("refused", code, Err(problems)) => {
            let code = code.unwrap_or_else(|| panic!("line {}: no code", case.line));
            let found: Vec<&str> = problems
                .iter()
                .map(|problem| problem.code.number())
                .collect();
            (!found.contains(&code)).then(|| format!("is refused with {found:?}"))
        }
        ("refused", _, Ok(proof)) => Some(format!("is proved: {:#?}", proof.occurrences)),
        (_, _, Err(problems)) => Some(
            problems
                .iter()
                .map(|problem| render(problem, &case.sql))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        (other, ..) => panic!("line {}: {other}", case.line),
    }
}

#[test]
fn every_construct_and_its_leaking_twin() {
    let shared = std::fs::read_to_string(fixtures().join("constructs/schema.sql")).unwrap();
    let (mut wrong, mut proved, mut refused) = (Vec::new(), 0, 0);
    for (file, text) in texts("constructs") {
        if file == "schema.sql" {
            continue;
        }
        let (schema, cases) = read(&text);
        assert!(!cases.is_empty(), "{file}");
        let catalog = catalog_of(&Config::default(), schema.as_deref().unwrap_or(&shared));
        for case in &cases {
            match case.expected.starts_with("proved") {
                true => proved += 1,
                false => refused += 1,
            }
            if let Some(why) = problem(&catalog, case) {
                wrong.push(format!("{file}:{}: {}\n{why}", case.line, case.sql));
            }
        }
    }
    println!("{proved} proved, {refused} refused");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(proved > 30 && refused > 30);
}
