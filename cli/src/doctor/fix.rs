//! The migration that mends what was found: statements that hold as they are, and, as comments, what
//! a person has to decide.
//!
//! Invariant: it is printed, never run; a statement stands under the findings that it mends, once.

use std::collections::HashSet;
use std::fmt::Write as _;

use watertight_analysis::finding::{Finding, Verdict};

/// The text of the migration.
pub(super) fn migration(findings: &[Finding]) -> String {
    let mut out = String::from(
        "-- Written by `cargo watertight doctor --fix`. Read it before you run it, as the owner of the tables;\n\
         -- statements about roles need a role that may change them.\n",
    );
    let (sure, open): (Vec<&Finding>, Vec<&Finding>) = findings
        .iter()
        .partition(|finding| finding.verdict == Verdict::Finding && !finding.mend.is_empty());
    if sure.is_empty() && open.is_empty() {
        out.push_str("-- There is nothing to mend.\n");
        return out;
    }
    let mut written: HashSet<&str> = HashSet::new();
    if !sure.is_empty() {
        out.push_str("\nBEGIN;\n");
        for finding in sure {
            let _ = writeln!(out, "\n-- {}: {}", finding.code, comment(&finding.message));
            for sql in &finding.mend {
                if written.insert(sql) {
                    let _ = writeln!(out, "{sql};");
                }
            }
        }
        out.push_str("\nCOMMIT;\n");
    }
    if !open.is_empty() {
        out.push_str("\n-- To be decided:\n");
        for finding in open {
            let _ = writeln!(out, "\n-- {}: {}", finding.code, comment(&finding.message));
            for help in &finding.help {
                let _ = writeln!(out, "--   {}", comment(help));
            }
            for sql in &finding.mend {
                let _ = writeln!(out, "--   {};", comment(sql));
            }
        }
    }
    out
}

/// A text as one line of a comment.
fn comment(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
