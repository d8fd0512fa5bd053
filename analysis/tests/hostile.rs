//! Hostile text ends in a clear refusal, soon, and never in a panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use watertight_analysis::Code;

fn refused(sql: &str) -> Vec<Code> {
    let catalog = common::catalog();
    let start = Instant::now();
    let problems = common::judge(&catalog, sql).unwrap_err();
    // Generous: a debug build on a busy machine.
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    for problem in &problems {
        assert_ne!(problem.code, Code::BUG, "{}", problem.message);
    }
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn text_beyond_the_limits() {
    let limit = vec![Code::TOO_LARGE];
    assert_eq!(
        refused(&format!(
            "SELECT {}1{}",
            "(".repeat(20_000),
            ")".repeat(20_000)
        )),
        limit
    );
    assert_eq!(refused(&"x".repeat(1 << 20)), limit);
    assert_eq!(
        refused(&format!(
            "SELECT 1 FROM teams t {}",
            "JOIN users u ON true ".repeat(10_000)
        )),
        limit
    );
    assert_eq!(
        refused(&format!("SELECT {} 1", "NOT ".repeat(40_000))),
        limit
    );
    assert_eq!(
        refused(&format!("SELECT 1{}", " UNION SELECT 1".repeat(10_000))),
        limit
    );
    assert_eq!(
        refused(&format!("SELECT {}1", "1 + ".repeat(19_000))),
        limit
    );
    assert_eq!(
        refused(&format!("SELECT 1{}", "::int".repeat(16_000))),
        limit
    );
    assert_eq!(
        refused(&format!("SELECT a{}", "[1]".repeat(16_000))),
        vec![Code::UNKNOWN_COLUMN]
    );
    assert_eq!(
        refused(&format!(
            "SELECT {}{}",
            "CASE WHEN true THEN ".repeat(9_000),
            "END ".repeat(9_000)
        )),
        limit
    );
    assert_eq!(
        refused(&format!(
            "SELECT {}1{}",
            "(SELECT ".repeat(4_000),
            ")".repeat(4_000)
        )),
        limit
    );
    assert_eq!(
        refused(&format!(
            "SELECT {}1{}",
            "abs(".repeat(4_900),
            ")".repeat(4_900)
        )),
        limit
    );
}

#[test]
fn many_joins_within_the_limits() {
    for (word, count) in [
        ("JOIN", 300),
        ("LEFT JOIN", 120),
        ("RIGHT JOIN", 120),
        ("FULL JOIN", 120),
    ] {
        let joins: String = (0..count)
            .map(|i| format!(" {word} users u{i} ON u{i}.tenant_id = t.tenant_id"))
            .collect();
        let codes = refused(&format!("SELECT 1 FROM teams t{joins}"));
        assert!(
            codes
                .iter()
                .all(|code| matches!(*code, Code::UNPINNED | Code::OUTER_JOIN)),
            "{word}"
        );
    }
    let many = "LEFT JOIN users u ON true ".repeat(600);
    assert!(refused(&format!("SELECT 1 FROM teams t {many}")).contains(&Code::TOO_LARGE));
}

#[test]
fn deep_sub_queries_within_the_limits() {
    let deep = format!(
        "SELECT 1 FROM teams t WHERE {}true{}",
        "EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = t.tenant_id AND ".repeat(120),
        ")".repeat(120)
    );
    assert!(refused(&deep).contains(&Code::UNPINNED));
    let derived = format!(
        "SELECT * FROM {}teams{}",
        "(SELECT * FROM ".repeat(120),
        " LIMIT 1) s".repeat(120)
    );
    assert!(refused(&derived).contains(&Code::UNPINNED));
}

/// A small generator: the tests need no randomness beyond reach of a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[test]
fn mutations_of_the_corpus_never_panic() {
    let catalog = common::catalog();
    let cases = common::cases();
    let words: Vec<String> = cases
        .iter()
        .flat_map(|case| case.sql.split_whitespace().map(str::to_owned))
        .collect();
    let mut random = Random(0x5eed_5eed_5eed_5eed);
    for _ in 0..4_000 {
        let case = &cases[random.below(cases.len())];
        let mut parts: Vec<String> = case.sql.split_whitespace().map(str::to_owned).collect();
        for _ in 0..=random.below(3) {
            if parts.is_empty() {
                break;
            }
            let at = random.below(parts.len());
            match random.below(4) {
                0 => {
                    parts.remove(at);
                }
                1 => parts.insert(at, words[random.below(words.len())].clone()),
                2 => parts[at] = words[random.below(words.len())].clone(),
                _ => {
                    let other = random.below(parts.len());
                    parts.swap(at, other);
                }
            }
        }
        let sql = parts.join(" ");
        if let Err(problems) = common::judge(&catalog, &sql) {
            for problem in problems {
                assert!(
                    problem.code != Code::BUG && problem.code != Code::ACCOUNTING,
                    "{sql}\n{}",
                    problem.message
                );
            }
        }
    }
}

#[test]
fn bytes_cut_and_inserted_never_panic() {
    let catalog = common::catalog();
    let cases = common::cases();
    let mut random = Random(0x0dd_ba11);
    for _ in 0..2_000 {
        let case = &cases[random.below(cases.len())];
        let mut text: Vec<char> = case.sql.chars().collect();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len().max(1));
            let c = [
                '\'',
                '"',
                '$',
                '(',
                ')',
                ';',
                '-',
                '/',
                '*',
                '\\',
                'é',
                '\u{1F600}',
                '\t',
                '.',
            ][random.below(14)];
            if random.below(2) == 0 && at < text.len() {
                text[at] = c;
            } else {
                text.insert(at.min(text.len()), c);
            }
        }
        let sql: String = text.into_iter().collect();
        for problem in common::judge(&catalog, &sql).err().unwrap_or_default() {
            assert!(
                problem.code != Code::BUG && problem.code != Code::ACCOUNTING,
                "{sql}\n{}",
                problem.message
            );
            let _ = watertight_analysis::render(&problem, &sql);
        }
    }
}
