//! Runs the comparison over many texts and gathers what differs.
#![allow(dead_code, unreachable_pub)]

use std::fmt;
use std::path::PathBuf;

use watertight_differential::compare::{Agreed, compare};
use watertight_differential::corpus;

/// Both parsers, and the trees, are recursive.
pub fn with_stack(work: impl FnOnce() + Send + 'static) {
    let worker = std::thread::Builder::new()
        .stack_size(512 << 20)
        .spawn(work)
        .expect("a thread");
    if let Err(cause) = worker.join() {
        std::panic::resume_unwind(cause);
    }
}

/// The fixtures, and the larger collection beside the repository where there is one.
pub fn folders() -> Vec<PathBuf> {
    let beside = corpus::fixtures().join("../../../../shared/corpus");
    let mut folders = vec![corpus::fixtures()];
    if beside.is_dir() {
        folders.push(beside);
    }
    folders
}

/// How many texts had which outcome.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub parsed: usize,
    pub refused: usize,
    pub refused_otherwise: usize,
    pub extension: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with the same tree, {} refused with the same words, {} refused with other words, {} that only pg_query takes",
            self.parsed, self.refused, self.refused_otherwise, self.extension
        )
    }
}

/// Compares all of them; fails with the first differences.
pub fn all_agree(texts: &[(String, String)]) -> Counts {
    let mut counts = Counts::default();
    let mut differences = Vec::new();
    for (name, sql) in texts {
        match compare(sql) {
            Ok(Agreed::Parsed) => counts.parsed += 1,
            Ok(Agreed::Extension) => counts.extension += 1,
            Ok(Agreed::Refused) => counts.refused += 1,
            Ok(Agreed::RefusedOtherwise { ours, theirs }) => {
                counts.refused_otherwise += 1;
                if std::env::var_os("WATERTIGHT_WORDS").is_some() {
                    println!("{name}\n  ours {ours}\n  theirs {theirs}");
                }
            }
            Err(difference) => differences.push(format!("{name}: {difference}\n{sql}\n")),
        }
    }
    let total = differences.len();
    differences.truncate(
        std::env::var("WATERTIGHT_SHOW")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(20),
    );
    assert!(
        differences.is_empty(),
        "{total} of {} differ ({counts}):\n{}",
        texts.len(),
        differences.join("\n")
    );
    counts
}
