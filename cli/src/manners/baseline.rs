//! Baselines: what was there when one was written is not told again.
//!
//! A file that moves takes what is known of it along: where a finding is new, an entry of the same rule and
//! subject whose own place holds nothing any more stands for it. Invariant: one entry is one finding.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use watertight_analysis::finding::{Finding, Place};

use crate::output::Report;
use crate::project;

/// Raised when a member changes its meaning or goes.
const VERSION: u32 = 1;

/// What was there when it was written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    version: u32,
    /// By fingerprint.
    findings: BTreeMap<String, Entry>,
}

/// What a fingerprint stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: String,
    place: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    subject: String,
    /// How often: one statement may stand twice in a file.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    times: usize,
}

fn once() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_once(times: &usize) -> bool {
    *times == 1
}

impl Entry {
    fn of(finding: &Finding) -> Self {
        Self {
            code: finding.code.number().to_owned(),
            place: finding.place.to_string(),
            subject: finding.subject.clone(),
            times: 1,
        }
    }

    /// What stays when the file moves. Where a rule says no more of its findings than the file, the
    /// file's own name has to stay.
    fn kept(&self) -> [String; 3] {
        let name = match self.subject.is_empty() {
            true => self.place.rsplit('/').next().unwrap_or_default(),
            false => "",
        };
        [self.code.clone(), self.subject.clone(), name.to_owned()]
    }
}

/// Writes what is found now.
pub(super) fn write(findings: &[Finding], file: &Path) -> Result<()> {
    let mut baseline = Baseline {
        version: VERSION,
        ..Baseline::default()
    };
    for finding in findings {
        let known = baseline.findings.entry(finding.fingerprint());
        known
            .and_modify(|entry| entry.times += 1)
            .or_insert_with(|| Entry::of(finding));
    }
    let text = serde_json::to_string_pretty(&baseline)?;
    std::fs::write(file, format!("{text}\n"))
        .with_context(|| format!("`{}` can't be written", file.display()))
}

/// Takes out what is in the baseline, and says how many of its entries nothing stands for any more.
pub(super) fn apply(report: &mut Report, file: &Path) -> Result<usize> {
    let text = project::read(file)?;
    let again = || {
        format!(
            "write it again: `cargo watertight {} --write-baseline {}`",
            report.command,
            file.display()
        )
    };
    let baseline: Baseline = serde_json::from_str(&text)
        .map_err(|error| anyhow!("`{}` is no baseline: {error}; {}", file.display(), again()))?;
    if baseline.version != VERSION {
        return Err(anyhow!(
            "`{}` is of version {}, and this is {VERSION}; {}",
            file.display(),
            baseline.version,
            again()
        ));
    }
    let mut left = baseline.findings;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for finding in std::mem::take(&mut report.findings) {
        match left
            .get_mut(&finding.fingerprint())
            .filter(|it| it.times > 0)
        {
            Some(entry) => {
                entry.times -= 1;
                old.push((finding, "in the baseline".to_owned()));
            }
            None => new.push(finding),
        }
    }
    // By what stays: where findings were that are there no more.
    let mut gone: HashMap<[String; 3], Vec<String>> = HashMap::new();
    for entry in left.into_values() {
        let places = gone.entry(entry.kept()).or_default();
        places.extend(std::iter::repeat_n(entry.place, entry.times));
    }
    for finding in new {
        let in_file = matches!(finding.place, Place::Source { .. });
        let before = gone
            .get_mut(&Entry::of(&finding).kept())
            .filter(|_| in_file);
        match before.and_then(Vec::pop) {
            Some(place) => old.push((finding, format!("in the baseline, as of {place}"))),
            None => report.findings.push(finding),
        }
    }
    report.suppressed.extend(old);
    Ok(gone.values().map(Vec::len).sum())
}

#[cfg(test)]
mod tests {
    use watertight_analysis::Code;

    use super::*;

    fn at(path: &str, subject: &str) -> Finding {
        Finding::new(Code::UNPINNED, Place::source(path, Some(0..1)), "m").about(subject)
    }

    fn told(known: &[Finding], now: Vec<Finding>) -> (usize, usize, usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.json");
        write(known, &file).unwrap();
        let mut report = Report {
            command: "check",
            findings: now,
            ..Report::default()
        };
        let gone = apply(&mut report, &file).unwrap();
        (report.findings.len(), report.suppressed.len(), gone)
    }

    #[test]
    fn what_moves_is_known_and_what_is_new_is_told() {
        let known = [at("src/a.rs", "SELECT 1"), at("src/a.rs", "")];
        assert_eq!(told(&known, known.to_vec()), (0, 2, 0));
        // The whole file moved.
        let moved = vec![at("src/db/a.rs", "SELECT 1"), at("src/db/a.rs", "")];
        assert_eq!(told(&known, moved), (0, 2, 0));
        // Renamed: what says nothing but its file is new.
        let renamed = vec![at("src/b.rs", "SELECT 1"), at("src/b.rs", "")];
        assert_eq!(told(&known, renamed), (1, 1, 1));
        // The first is still there, so the second is new.
        let more = vec![at("src/a.rs", "SELECT 1"), at("src/b.rs", "SELECT 1")];
        assert_eq!(told(&known[..1], more), (1, 1, 0));
        // The same again in its file.
        let again = vec![at("src/a.rs", "SELECT 1"), at("src/a.rs", "SELECT 1")];
        assert_eq!(told(&known[..1], again.clone()), (1, 1, 0));
        assert_eq!(told(&again, again.clone()), (0, 2, 0));
        // One entry is one finding.
        let twice = vec![at("src/b.rs", "SELECT 1"), at("src/c.rs", "SELECT 1")];
        assert_eq!(told(&known[..1], twice), (1, 1, 0));
        assert_eq!(told(&known, Vec::new()), (0, 0, 2));
    }

    #[test]
    fn an_object_of_a_database_does_not_move() {
        let of =
            |name: &str| Finding::new(Code::RLS_OFF, Place::object("table", name), "m").about("s");
        assert_eq!(told(&[of("a.t")], vec![of("b.t")]), (1, 0, 1));
    }
}
