//! From text to a template. Refuses what level 1 does not have, and what would give a URI two
//! readings.

use std::fmt;

use super::{Run, Template, is_delimiter, is_plain};

/// What is wrong with a template, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, in one lower-case sentence.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Mistake {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.message, self.help)
    }
}

pub(super) fn template(text: &str) -> Result<Template, Mistake> {
    scheme(text)?;
    let mut reader = Reader::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter == '{' {
            let Some((inner, after)) = rest.get(1..).and_then(|inner| inner.split_once('}')) else {
                return Err(Mistake::new(
                    "a `{` is not closed",
                    "write a variable as `{name}`",
                ));
            };
            reader.variable(inner)?;
            rest = after;
        } else {
            reader.literal(letter)?;
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    reader.end_run();
    Ok(Template {
        text: text.to_owned(),
        runs: reader.runs,
        delimiters: reader.delimiters,
    })
}

/// RFC 3986, 3.1, in lower case, which is its canonical form.
fn scheme(text: &str) -> Result<(), Mistake> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let valid = scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
        });
    if valid {
        return Ok(());
    }
    Err(Mistake::new(
        "a resource's URI begins with a scheme in lower case, which is no variable",
        "write for example `ticket://{id}`",
    ))
}

#[derive(Default)]
struct Reader {
    runs: Vec<Run>,
    delimiters: Vec<char>,
    /// The run that is being read.
    before: String,
    variable: Option<String>,
    after: String,
}

impl Reader {
    fn literal(&mut self, letter: char) -> Result<(), Mistake> {
        if is_delimiter(letter) {
            self.end_run();
            self.delimiters.push(letter);
        } else if is_plain(letter) {
            match self.variable {
                None => self.before.push(letter),
                Some(_) => self.after.push(letter),
            }
        } else if letter == '}' {
            return Err(Mistake::new(
                "a `}` closes nothing",
                "write a variable as `{name}`",
            ));
        } else {
            return Err(Mistake::new(
                format!("`{letter}` can't stand in a URI template"),
                "between the variables stand letters, digits and the punctuation of a URI, unencoded",
            ));
        }
        Ok(())
    }

    fn variable(&mut self, inner: &str) -> Result<(), Mistake> {
        let name = name(inner)?;
        let mut known = self.runs.iter().filter_map(|run| match run {
            Run::Variable { name, .. } => Some(name),
            Run::Literal(_) => None,
        });
        if known.any(|known| known == name) || self.variable.as_deref() == Some(name) {
            return Err(Mistake::new(
                format!("`{{{name}}}` stands in the template twice"),
                "give each place a name of its own",
            ));
        }
        if let Some(first) = &self.variable {
            return Err(Mistake::new(
                format!(
                    "where `{{{first}}}` ends and `{{{name}}}` begins can't be told from a URI"
                ),
                format!("put a delimiter between them: `{{{first}}}/{{{name}}}`"),
            ));
        }
        self.variable = Some(name.to_owned());
        Ok(())
    }

    fn end_run(&mut self) {
        let before = std::mem::take(&mut self.before);
        let after = std::mem::take(&mut self.after);
        self.runs.push(match self.variable.take() {
            None => Run::Literal(before),
            Some(name) => Run::Variable {
                before,
                name,
                after,
            },
        });
    }
}

/// A variable's name, which is an argument's: `{+path}`, `{a,b}`, `{list*}` and `{text:3}` belong
/// to the higher levels.
fn name(inner: &str) -> Result<&str, Mistake> {
    let is_name = |text: &str| {
        text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if is_name(inner) {
        return Ok(inner);
    }
    let bare: String = inner
        .trim_start_matches(|letter: char| !letter.is_ascii_alphabetic() && letter != '_')
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect();
    let help = match is_name(&bare) {
        true => format!("write `{{{bare}}}`"),
        false => "write a variable as `{name}`".to_owned(),
    };
    Err(Mistake::new(
        format!("`{{{inner}}}` is no simple variable, and simple ones alone are matched strictly"),
        help,
    ))
}
