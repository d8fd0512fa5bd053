//! URI templates of resources: RFC 6570, level 1, matched strictly.
//!
//! A template is cut at the characters that delimit the parts of a URI. Between two of them stands
//! a run: a literal, or one variable with a literal before and after it. A value never contains a
//! delimiter, so a URI is cut in the same way, and has at most one reading.
//!
//! Invariant: two templates that share a URI are found by [`Template::overlaps`].

mod parse;
#[cfg(test)]
mod tests;
mod value;
mod variables;

use std::fmt;

pub use parse::Mistake;
pub use variables::{Variable, variables};

/// A longer URI matches nothing.
pub const LONGEST_URI: usize = 2048;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    /// One more than there are delimiters.
    runs: Vec<Run>,
    delimiters: Vec<char>,
}

/// What stands between two delimiters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    Literal(String),
    Variable {
        before: String,
        name: String,
        after: String,
    },
}

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        parse::template(text)
    }

    /// The text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().filter_map(|run| match run {
            Run::Variable { name, .. } => Some(name.as_str()),
            Run::Literal(_) => None,
        })
    }

    /// Whether it stands for one URI alone.
    pub fn is_static(&self) -> bool {
        self.variables().next().is_none()
    }

    /// What the template itself calls the value of a variable: the nearest literal before it, such
    /// as `tenants` in `crm://tenants/{id}`, `org` in `org://{slug}` and in `list?org={x}`. `None`
    /// if another variable comes first.
    pub fn label(&self, variable: &str) -> Option<&str> {
        let at = self
            .runs
            .iter()
            .position(|run| matches!(run, Run::Variable { name, .. } if name == variable))?;
        if let Some(Run::Variable { before, .. }) = self.runs.get(at)
            && !before.is_empty()
        {
            return Some(before);
        }
        let nearest = self.runs.iter().take(at).rev().find(|run| match run {
            Run::Literal(text) => !text.is_empty(),
            Run::Variable { .. } => true,
        });
        match nearest? {
            Run::Literal(text) => Some(text),
            Run::Variable { .. } => None,
        }
    }

    /// The values of the variables in `uri`, decoded, in the template's order; `None` if it is not
    /// one of the template's URIs.
    pub fn values(&self, uri: &str) -> Option<Vec<String>> {
        if uri.len() > LONGEST_URI {
            return None;
        }
        let (runs, delimiters) = cut(uri);
        if delimiters != self.delimiters {
            return None;
        }
        let mut values = Vec::new();
        for (run, given) in self.runs.iter().zip(runs) {
            match run {
                Run::Literal(literal) if literal == given => {}
                Run::Literal(_) => return None,
                Run::Variable { before, after, .. } => {
                    let value = given.strip_prefix(before.as_str())?;
                    let value = value.strip_suffix(after.as_str())?;
                    values.push(value::decode(value)?);
                }
            }
        }
        Some(values)
    }

    /// The URI with these values for the variables, in order, in its one canonical spelling.
    pub fn expand(&self, values: &[String]) -> String {
        let mut values = values.iter();
        let mut delimiters = self.delimiters.iter();
        let mut uri = String::new();
        for run in &self.runs {
            match run {
                Run::Literal(literal) => uri.push_str(literal),
                Run::Variable { before, after, .. } => {
                    uri.push_str(before);
                    if let Some(value) = values.next() {
                        value::encode(value, &mut uri);
                    }
                    uri.push_str(after);
                }
            }
            uri.extend(delimiters.next());
        }
        uri
    }

    /// Whether some URI could be read under both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.delimiters == other.delimiters
            && self
                .runs
                .iter()
                .zip(&other.runs)
                .all(|(one, two)| one.meets(two))
    }
}

impl Run {
    /// Whether some text is read by both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(two)) => one == two,
            (Self::Literal(literal), Self::Variable { before, after, .. })
            | (Self::Variable { before, after, .. }, Self::Literal(literal)) => {
                literal.len() > before.len() + after.len()
                    && literal.starts_with(before.as_str())
                    && literal.ends_with(after.as_str())
            }
            // The longer beginning, anything, and the longer end are read by both.
            (
                Self::Variable { before, after, .. },
                Self::Variable {
                    before: before2,
                    after: after2,
                    ..
                },
            ) => {
                (before.starts_with(before2.as_str()) || before2.starts_with(before.as_str()))
                    && (after.ends_with(after2.as_str()) || after2.ends_with(after.as_str()))
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Cuts a URI at its delimiters.
fn cut(uri: &str) -> (Vec<&str>, Vec<char>) {
    let delimiters = uri.chars().filter(|letter| is_delimiter(*letter)).collect();
    (uri.split(is_delimiter).collect(), delimiters)
}

/// The characters that no value contains unencoded: RFC 3986's reserved ones, less those that
/// `encodeURIComponent` leaves alone as well (`!`, `'`, `(`, `)`, `*`).
fn is_delimiter(letter: char) -> bool {
    matches!(
        letter,
        ':' | '/' | '?' | '#' | '[' | ']' | '@' | '$' | '&' | '+' | ',' | ';' | '='
    )
}

/// The characters of a value, beside `%` and two digits.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || matches!(letter, '-' | '.' | '_' | '~' | '!' | '\'' | '(' | ')' | '*')
}
