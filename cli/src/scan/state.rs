//! What was done, so that a later run goes on: which questions were put, and what they showed.
//!
//! Invariant: the file holds findings as a report shows them, no credential and no whole answer, and
//! belongs to one server and one pair of identities.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level, Place, Verdict};

/// Raised when the file changes its form.
const VERSION: u32 = 1;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct State {
    file: Option<PathBuf>,
    kept: Kept,
    problem: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// A hash of the server and the identities.
    of: String,
    /// Hashes of questions.
    done: BTreeSet<String>,
    findings: BTreeMap<String, Told>,
}

/// A finding in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    code: String,
    certain: bool,
    level: String,
    kind: String,
    name: String,
    message: String,
    notes: Vec<String>,
    help: Vec<String>,
    subject: String,
}

impl State {
    /// Reads the file, if there is one. `of` says what it has to be about.
    pub(crate) fn open(file: Option<&Path>, of: &[&[u8]]) -> Result<Self> {
        let of = hash(of);
        let fresh = Kept {
            version: VERSION,
            of: of.clone(),
            ..Kept::default()
        };
        let Some(file) = file else {
            return Ok(Self {
                kept: fresh,
                ..Self::default()
            });
        };
        let kept = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
            Err(error) => {
                return Err(error).with_context(|| format!("`{}` can't be read", file.display()));
            }
            Ok(text) => {
                let kept: Kept = serde_json::from_str(&text)
                    .with_context(|| format!("`{}` is no state of a scan", file.display()))?;
                if kept.version != VERSION || kept.of != of {
                    bail!(
                        "`{}` is of a scan of another server or other identities; name another file, or remove it",
                        file.display()
                    );
                }
                kept
            }
        };
        let state = Self {
            file: Some(file.to_owned()),
            kept,
            problem: None,
        };
        state.write()?;
        Ok(state)
    }

    /// Whether a question was put in an earlier run.
    pub(crate) fn is_done(&self, unit: &str) -> bool {
        self.kept.done.contains(&hash(&[unit.as_bytes()]))
    }

    /// How many were.
    pub(crate) fn count(&self) -> usize {
        self.kept.done.len()
    }

    /// Keeps that a question was put, and what it showed.
    pub(crate) fn done(&mut self, unit: &str, findings: &[Finding]) {
        if self.file.is_none() {
            return;
        }
        self.kept.done.insert(hash(&[unit.as_bytes()]));
        for finding in findings {
            let Place::Object { kind, name } = &finding.place else {
                continue;
            };
            let told = Told {
                code: finding.code.number().to_owned(),
                certain: finding.verdict == Verdict::Finding,
                level: finding.level.to_string(),
                kind: (*kind).to_owned(),
                name: name.clone(),
                message: finding.message.clone(),
                notes: finding.notes.clone(),
                help: finding.help.clone(),
                subject: finding.subject.clone(),
            };
            self.kept.findings.insert(finding.fingerprint(), told);
        }
        if let Err(error) = self.write() {
            self.problem = Some(format!("{error:#}"));
        }
    }

    /// Why the file could not be written, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// What earlier runs found.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.kept.findings.values().filter_map(finding).collect()
    }

    /// Beside the file first, so that a run that is cut off leaves a whole one.
    fn write(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let text = serde_json::to_string_pretty(&self.kept)?;
        let beside = file.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&beside).and_then(|mut open| {
            std::io::Write::write_all(&mut open, text.as_bytes())?;
            std::fs::rename(&beside, file)
        });
        written.with_context(|| format!("`{}` can't be written", file.display()))
    }
}

fn finding(told: &Told) -> Option<Finding> {
    const KINDS: [&str; 6] = [
        "tool",
        "prompt",
        "resource",
        "resource template",
        "completion",
        "server",
    ];
    let kind = KINDS.into_iter().find(|kind| *kind == told.kind)?;
    let level = [Level::Low, Level::Medium, Level::High]
        .into_iter()
        .find(|level| level.to_string() == told.level)?;
    let place = Place::object(kind, told.name.clone());
    let mut finding = Finding::new(Code::find(&told.code)?, place, told.message.clone())
        .level(level)
        .about(told.subject.clone());
    finding.notes.clone_from(&told.notes);
    finding.help.clone_from(&told.help);
    Some(if told.certain {
        finding
    } else {
        finding.review()
    })
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_found_again() {
        let file = std::env::temp_dir().join(format!("watertight-state-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let mut state = State::open(Some(&file), &[b"server"]).unwrap();
        let place = Place::object("tool", "search");
        let found = Finding::new(Code::OTHERS_DATA, place, "shown")
            .note("a")
            .about("id");
        state.done("one", std::slice::from_ref(&found));
        let again = State::open(Some(&file), &[b"server"]).unwrap();
        assert!(again.is_done("one") && !again.is_done("two"));
        assert_eq!(again.findings(), [found]);
        let other = State::open(Some(&file), &[b"another"]).err().unwrap();
        assert!(other.to_string().contains("another server"));
        std::fs::remove_file(&file).unwrap();
    }
}
