//! Findings: what a look at a database, a source or a server found, in one form for every command.
//!
//! A finding is a model; the command line turns it into text, SARIF and the like. Its code comes from
//! the one table of codes, its level and axis from `rules`. Invariant: the fingerprint depends on what
//! was found and where, never on wording, order or line numbers.

mod faults;
mod rules;

use std::fmt;
use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic};

pub use faults::{Cell, FAULTS, Fault, Sight, matrix};
pub use rules::{Axis, Level, Owasp, Rule, rule};

/// What is said of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It is wrong.
    Finding,
    /// It can't be told; a person has to look.
    NeedsReview,
}

impl Verdict {
    /// The word that every format uses.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Finding => "finding",
            Verdict::NeedsReview => "needs review",
        }
    }
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An object of a database, such as `table` `public.notes`, or what an MCP server publishes, such
    /// as `tool` `search`.
    Object {
        /// What it is: `table`, `policy`, `role`, `tool`, `prompt`, …
        kind: &'static str,
        /// Its name: with the schema in a database, with the argument (`search.org_id`) in a server.
        name: String,
    },
    /// A part of a file.
    Source {
        /// The path, relative to the folder that was looked at.
        path: String,
        /// Byte offsets.
        span: Option<(usize, usize)>,
    },
}

impl Place {
    /// An object of a database or of an MCP server.
    pub fn object(kind: &'static str, name: impl Into<String>) -> Self {
        Place::Object {
            kind,
            name: name.into(),
        }
    }

    /// A part of a file.
    pub fn source(path: impl Into<String>, span: Option<Range<usize>>) -> Self {
        Place::Source {
            path: path.into(),
            span: span.map(|span| (span.start, span.end)),
        }
    }

    /// What a suppression names: the object's or the file's name alone.
    pub fn name(&self) -> &str {
        match self {
            Place::Object { name, .. } => name,
            Place::Source { path, .. } => path,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Object { kind, name } => write!(f, "{kind} {name}"),
            Place::Source { path, .. } => f.write_str(path),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a finding that nobody reports helps nobody"]
pub struct Finding {
    /// The rule.
    pub code: Code,
    /// How bad it is.
    pub level: Level,
    /// What kind of harm.
    pub axis: Axis,
    /// Whether it is certain.
    pub verdict: Verdict,
    /// Where.
    pub place: Place,
    /// One lower-case sentence with backticked names.
    pub message: String,
    /// A few words under the place, where it is in a file.
    pub label: Option<String>,
    /// Further places of the same file that explain the first: byte offsets, each with a few words.
    pub also: Vec<((usize, usize), String)>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to do, in sentences; SQL that a person must adapt among them.
    pub help: Vec<String>,
    /// SQL statements, without semicolons, that mend it as they are.
    pub mend: Vec<String>,
    /// Tells several findings of one rule in one place apart, such as the name of a policy.
    pub subject: String,
}

impl Finding {
    /// A finding with the level and axis of its rule.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        let rule = rule(code);
        Self {
            code,
            level: rule.level,
            axis: rule.axis,
            verdict: Verdict::Finding,
            place,
            message: message.into(),
            label: None,
            also: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            mend: Vec::new(),
            subject: String::new(),
        }
    }

    /// What the analysis says of a text, as a finding in a file. The level is that of the rule, and
    /// a warning's is low.
    pub fn of_diagnostic(diagnostic: &Diagnostic, path: &str) -> Self {
        let place = Place::source(path, diagnostic.span.clone());
        let mut finding = Self::new(diagnostic.code, place, diagnostic.message.clone());
        if !diagnostic.is_error() {
            finding.level = Level::Low;
        }
        finding.label.clone_from(&diagnostic.label);
        for (span, label) in &diagnostic.secondary {
            finding = finding.also(span.clone(), label.clone());
        }
        finding.notes.clone_from(&diagnostic.notes);
        finding.help.clone_from(&diagnostic.help);
        finding
    }

    /// Says that a person has to look.
    pub fn review(mut self) -> Self {
        self.verdict = Verdict::NeedsReview;
        self
    }

    /// Another level than the rule's.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Tells it apart from others of its rule in its place.
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Says a few words under the place.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points at a further place of the same file.
    pub fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also.push(((span.start, span.end), label.into()));
        self
    }

    /// Adds a fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a statement that mends it as it is.
    pub fn mend(mut self, sql: impl Into<String>) -> Self {
        self.mend.push(sql.into());
        self
    }

    /// Whether it fails a run unless it is allowed: every finding does, and what needs review from
    /// the middle level on.
    pub fn fails(&self) -> bool {
        self.verdict == Verdict::Finding || self.level >= Level::Medium
    }

    /// 64 bits in hexadecimal digits that stay the same while the finding does.
    pub fn fingerprint(&self) -> String {
        let text = format!("{}\0{}\0{}", self.code, self.place, self.subject);
        // FNV-1a: it tells findings apart, it guards nothing.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

/// Orders findings as people read them: the worst first, then by place.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |f: &Finding| {
            (
                f.verdict,
                std::cmp::Reverse(f.level),
                f.code,
                f.place.clone(),
            )
        };
        key(a).cmp(&key(b)).then_with(|| a.subject.cmp(&b.subject))
    });
}

/// Something that was looked at and is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clear {
    /// Where.
    pub place: Place,
    /// Why, as a clause.
    pub reason: String,
}

impl Clear {
    /// A place that is as it should be.
    pub fn new(place: Place, reason: impl Into<String>) -> Self {
        Self {
            place,
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Finding {
        let place = Place::object("table", "public.notes");
        Finding::new(Code::RLS_OFF, place, "`notes` has no row-level security")
    }

    #[test]
    fn a_fingerprint_is_of_the_place_and_not_of_the_words() {
        let other = Finding::new(Code::RLS_OFF, notes().place, "said otherwise").note("more");
        assert_eq!(notes().fingerprint(), other.fingerprint());
        assert_ne!(notes().fingerprint(), notes().about("x").fingerprint());
    }

    #[test]
    fn what_needs_review_fails_from_the_middle_on() {
        assert!(notes().level(Level::Low).fails());
        assert!(notes().level(Level::Medium).review().fails());
        assert!(!notes().level(Level::Low).review().fails());
    }
}
