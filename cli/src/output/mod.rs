//! One report for every command that looks for something, and the formats that it is told in.
//!
//! Stages: a command fills a `Report`; `manners` takes out what is allowed, suppressed or in the
//! baseline; a format writes what is left. Invariant: no format says more or less than another.

pub(crate) mod clean;
mod github;
mod json;
mod junit;
mod markdown;
mod repository;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use watertight_analysis::finding::{Clear, Finding, Level, Place, Verdict};

pub(crate) use text::diagnostic;

use crate::paint::Paint;

/// What the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands, which annotate a pull request
    Github,
    /// JUnit's XML
    Junit,
    /// A table for a comment or a summary
    Markdown,
}

/// What a command found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The command, such as `doctor`.
    pub(crate) command: &'static str,
    /// What was looked at, in order: the database, the role. Never a secret.
    pub(crate) about: Vec<(&'static str, String)>,
    /// What is wrong or needs review, the worst first.
    pub(crate) findings: Vec<Finding>,
    /// What was found and is not told, with the reason.
    pub(crate) suppressed: Vec<(Finding, String)>,
    /// What was looked at and holds.
    pub(crate) clear: Vec<Clear>,
    /// What could not be looked at, and why.
    pub(crate) skipped: Vec<Clear>,
    /// Whether people are told what holds, one by one.
    pub(crate) shows_clear: bool,
    /// The texts of the files that findings point into.
    pub(crate) sources: BTreeMap<String, String>,
    /// Whether only a part was looked at, so that what has no use may have one elsewhere.
    pub(crate) partial: bool,
    /// For objects of a database, the file that makes them: where a review shows the finding.
    pub(crate) anchors: BTreeMap<String, String>,
    /// The folder that paths are relative to; empty is the current one.
    pub(crate) root: PathBuf,
}

/// Where a review shows a finding.
#[derive(Debug, PartialEq, Eq)]
struct Anchor {
    /// Relative to the root of the repository, which is where hosts look for it.
    file: String,
    /// From one.
    line: usize,
    /// The column, the line and the column of the end, from one, where a place in the file is known.
    columns: Option<(usize, usize, usize)>,
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Summary {
    pub(crate) high: usize,
    pub(crate) medium: usize,
    pub(crate) low: usize,
    pub(crate) needs_review: usize,
    pub(crate) clear: usize,
    pub(crate) suppressed: usize,
    pub(crate) not_applicable: usize,
}

impl Report {
    pub(crate) fn summary(&self) -> Summary {
        let count = |level: Level| {
            let certain = self
                .findings
                .iter()
                .filter(|f| f.verdict == Verdict::Finding);
            certain.filter(|finding| finding.level == level).count()
        };
        Summary {
            high: count(Level::High),
            medium: count(Level::Medium),
            low: count(Level::Low),
            needs_review: self
                .findings
                .iter()
                .filter(|finding| finding.verdict == Verdict::NeedsReview)
                .count(),
            clear: self.clear.len(),
            suppressed: self.suppressed.len(),
            not_applicable: self.skipped.len(),
        }
    }

    /// The place in the repository where a review shows the finding.
    fn anchor(&self, finding: &Finding) -> Anchor {
        let of = |path: &str| repository::path(&self.root, path);
        let (path, span) = match &finding.place {
            Place::Source { path, span } => (path, span),
            Place::Object { name, .. } => {
                let file = self.anchors.get(name);
                return Anchor {
                    file: of(file.map_or("watertight.toml", String::as_str)),
                    line: 1,
                    columns: None,
                };
            }
        };
        let known = self.sources.get(path).zip(*span);
        let Some((text, (start, end))) = known else {
            return Anchor {
                file: of(path),
                line: 1,
                columns: None,
            };
        };
        let ((line, column), (end_line, end_column)) = (position(text, start), position(text, end));
        Anchor {
            file: of(path),
            line,
            columns: Some((column, end_line, end_column)),
        }
    }

    /// What is told of a finding beside its message, for formats that have one text for all of it.
    fn told(&self, finding: &Finding) -> Vec<String> {
        let mut told = Vec::new();
        if let Place::Source {
            path,
            span: Some((start, _)),
        } = &finding.place
        {
            let text = self.sources.get(path).map_or("", String::as_str);
            let label = finding.label.iter().map(|label| (*start, label));
            let also = finding.also.iter().map(|((at, _), label)| (*at, label));
            for (at, label) in label.chain(also).filter(|(_, label)| !label.is_empty()) {
                let (line, column) = position(text, at);
                told.push(format!("{line}:{column}: {}", clean::clean(label)));
            }
        }
        let mut add = |kind: &str, text: &str| {
            told.push(format!("{kind}: {}", clean::clean(text.trim_end())));
        };
        finding.notes.iter().for_each(|note| add("note", note));
        finding.help.iter().for_each(|help| add("help", help));
        if !finding.mend.is_empty() {
            add("mend", &format!("{};", finding.mend.join(";\n")));
        }
        told
    }

    /// Writes the report.
    pub(crate) fn write(&self, out: &mut impl Write, format: Format, paint: Paint) -> Result<()> {
        match format {
            Format::Text => text::write(self, out, paint),
            Format::Json => json::write(self, out),
            Format::Sarif => sarif::write(self, out),
            Format::Github => github::write(self, out),
            Format::Junit => junit::write(self, out),
            Format::Markdown => markdown::write(self, out),
        }
    }
}

impl Summary {
    /// The findings, without what needs review.
    pub(crate) fn findings(self) -> usize {
        self.high + self.medium + self.low
    }

    /// One line for people.
    pub(crate) fn line(self) -> String {
        let plural = |number: usize, what: &str| {
            format!("{number} {what}{}", if number == 1 { "" } else { "s" })
        };
        let mut parts = vec![plural(self.findings(), "finding")];
        if self.findings() > 0 {
            let levels = [
                (self.high, "high"),
                (self.medium, "medium"),
                (self.low, "low"),
            ];
            let levels: Vec<String> = levels
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, level)| format!("{number} {level}"))
                .collect();
            parts = vec![format!("{} ({})", parts.concat(), levels.join(", "))];
        }
        if self.needs_review > 0 {
            let verb = if self.needs_review == 1 {
                "needs"
            } else {
                "need"
            };
            parts.push(format!("{} {verb} review", self.needs_review));
        }
        parts.push(format!("{} clear", self.clear));
        if self.not_applicable > 0 {
            parts.push(format!("{} not applicable", self.not_applicable));
        }
        if self.suppressed > 0 {
            parts.push(format!("{} suppressed", self.suppressed));
        }
        parts.join(", ")
    }
}

/// Line and column from one of a byte offset.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}
