//! Mutations of the fixtures have the same tree for both parsers, or are refused by both.
//!
//! `WATERTIGHT_MUTATIONS` says how many, `WATERTIGHT_SEED` from which seed.

mod common;

use watertight_differential::corpus;
use watertight_differential::mutate::{Random, mutation};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn mutations_have_the_same_trees() {
    common::with_stack(|| {
        let mut statements = Vec::new();
        for folder in common::folders() {
            for (_, text) in corpus::files(&folder).expect("the fixtures are readable") {
                for sql in corpus::statements(&text) {
                    // Migrations are taken one statement at a time.
                    statements.extend(watertight_differential::regress::split(&sql));
                }
            }
        }
        let seed = number("WATERTIGHT_SEED", 1);
        let mut random = Random::new(seed);
        let texts: Vec<(String, String)> = (0..number("WATERTIGHT_MUTATIONS", 20_000))
            .map(|at| {
                (
                    format!("seed {seed}, {at}"),
                    mutation(&statements, &mut random),
                )
            })
            .collect();
        let counts = common::all_agree(&texts);
        println!("{counts}");
        // A fuzzer of which next to nothing parses, or next to everything, finds nothing.
        assert!(counts.parsed * 20 > texts.len(), "{counts}");
        assert!(
            (counts.refused + counts.refused_otherwise) * 20 > texts.len(),
            "{counts}"
        );
    });
}
