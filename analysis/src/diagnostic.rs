//! Diagnostics: what is wrong, where, and what to write instead.
//!
//! A diagnostic is a model; `render` turns it into text. Every diagnostic carries a code from the
//! one table in `codes`, and a code is never reused for another rule.

use std::fmt;
use std::ops::Range;

pub use crate::codes::{CODES, Code};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Refuses.
    Error,
    /// Is reported by the command line, never by a macro.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One finding. Spans are byte offsets into the text that the diagnostic is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a diagnostic that nobody reads refuses nothing"]
pub struct Diagnostic {
    /// The rule.
    pub code: Code,
    /// Whether it refuses.
    pub severity: Severity,
    /// One lower-case sentence with backticked names that says what is wrong.
    pub message: String,
    /// The place at fault.
    pub span: Option<Range<usize>>,
    /// A few words under the carets.
    pub label: Option<String>,
    /// Further places that explain the first.
    pub secondary: Vec<(Range<usize>, String)>,
    /// Facts that explain, such as the migration that a table comes from.
    pub notes: Vec<String>,
    /// What to write instead; the mended SQL among them.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// A fault of ours: refuses and asks for a report.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::error(
            Code::BUG,
            format!("bug in watertight, please report: {}", message.into()),
        )
    }

    fn new(code: Code, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            span: None,
            label: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Puts carets under `span`.
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Says a few words under the carets.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points at a further place.
    pub fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// Adds a fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Whether it refuses.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)
    }
}
