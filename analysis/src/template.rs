//! Statements with placeholders: `… ORDER BY {sort}`, found on the parser's own lexer.
//!
//! Invariant: a `{` in a string, a quoted name, a dollar quote or a comment is never a placeholder.
//! Outside those SQL has no braces, so nothing that PostgreSQL takes is mistaken for one. Nothing
//! is proved here: each text that comes out is judged as a whole.

use std::ops::Range;

use crate::diagnostic::{Code, Diagnostic};
use crate::parse::{Limits, lex};

/// A text with the places of its placeholders.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    placeholders: Vec<Placeholder>,
}

/// `{name}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// The name between the braces, exactly as written.
    pub name: String,
    /// Its place, braces included.
    pub span: Range<usize>,
}

/// A text without placeholders, and where each fragment stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The statement.
    pub text: String,
    /// The place of each placeholder's fragment, in the order of the placeholders.
    pub fragments: Vec<Range<usize>>,
}

impl Template {
    /// Finds the placeholders of `source`.
    ///
    /// # Errors
    /// Text beyond the limits or that PostgreSQL's lexer refuses; braces that are no placeholder.
    pub fn parse(source: &str) -> Result<Self, Vec<Diagnostic>> {
        let tokens = lex(source, Limits::STATEMENT).map_err(|error| vec![*error])?;
        let tokens = tokens.list();
        let text = |index: usize| {
            let token = tokens.get(index)?;
            Some((source.get(token.start..token.end)?, token))
        };
        let mut placeholders = Vec::new();
        let mut problems = Vec::new();
        let mut index = 0;
        while let Some((brace, open)) = text(index) {
            index += 1;
            if brace != "{" && brace != "}" {
                continue;
            }
            let named = (brace == "{")
                .then(|| {
                    let (name, word) = text(index)?;
                    let (close, end) = text(index + 1)?;
                    let whole = word.word && !name.contains('"') && close == "}";
                    whole.then(|| (name.to_owned(), open.start..end.end))
                })
                .flatten();
            match named {
                Some((name, span)) => {
                    placeholders.push(Placeholder { name, span });
                    index += 2;
                }
                None => problems.push(
                    Diagnostic::error(Code::SYNTAX, format!("a `{brace}` that is no placeholder"))
                        .at(open.start..open.end)
                        .help(
                            "a placeholder is `{name}`, with its fragments beside the statement: \
                             `name(first = \"…\", second = \"…\")`; in a string write it as it \
                             is, `'{}'`",
                        ),
                ),
            }
        }
        if problems.is_empty() {
            Ok(Self {
                source: source.to_owned(),
                placeholders,
            })
        } else {
            Err(problems)
        }
    }

    /// The placeholders in the order in which they stand.
    #[must_use]
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// The text with what `fragment` gives for each placeholder.
    pub fn expand<'f>(&self, mut fragment: impl FnMut(&Placeholder) -> &'f str) -> Expanded {
        let mut text = String::with_capacity(self.source.len());
        let mut fragments = Vec::with_capacity(self.placeholders.len());
        let mut at = 0;
        for placeholder in &self.placeholders {
            text.push_str(self.source.get(at..placeholder.span.start).unwrap_or(""));
            let start = text.len();
            text.push_str(fragment(placeholder));
            fragments.push(start..text.len());
            at = placeholder.span.end;
        }
        text.push_str(self.source.get(at..).unwrap_or(""));
        Expanded { text, fragments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        let template = Template::parse(source).unwrap();
        template
            .placeholders
            .iter()
            .map(|it| it.name.clone())
            .collect()
    }

    #[test]
    fn names_in_braces_are_placeholders() {
        assert_eq!(
            names("SELECT a FROM t WHERE b {status} ORDER BY {sort}, { order }"),
            ["status", "sort", "order"]
        );
    }

    #[test]
    fn strings_comments_and_quoted_names_hold_none() {
        for text in [
            "SELECT '{a}', '{}'::jsonb, '{a,b}'::text[], E'\\'{a}', U&'{a}'",
            "SELECT \"{a}\", $${a}$$, $q$ {a} $q$ -- {a}",
            "SELECT 1 /* {a /* {b} */ {c} */",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn other_braces_are_mistakes() {
        for text in [
            "SELECT {}",
            "SELECT {",
            "SELECT }",
            "SELECT {a b}",
            "SELECT {\"a\"}",
            "SELECT {1}",
            "SELECT {{a}}",
        ] {
            let problems = Template::parse(text).unwrap_err();
            assert_eq!(problems[0].code, Code::SYNTAX, "{text}");
        }
    }

    #[test]
    fn fragments_take_their_places() {
        let template = Template::parse("SELECT 'ä{x}' {a} FROM {b}{a}").unwrap();
        let expanded = template.expand(|it| if it.name == "a" { "one" } else { "" });
        assert_eq!(expanded.text, "SELECT 'ä{x}' one FROM one");
        let fragments: Vec<&str> = expanded
            .fragments
            .iter()
            .map(|it| &expanded.text[it.clone()])
            .collect();
        assert_eq!(fragments, ["one", "", "one"]);
    }
}
