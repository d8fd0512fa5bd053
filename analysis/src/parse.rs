//! Text to the parser's raw tree, within limits that are checked before parsing.
//!
//! Invariant: nothing deeper or larger than the limits reaches the recursive parts, so hostile text
//! ends in a diagnostic and never in a stack overflow. Only this module and `lower` (and the DDL
//! lowering beside it) name the parser's crate.

use std::ops::Range;

use rupg_sql::nodes::Node;
use rupg_sql::{Lexer, Value, character, token};

use crate::diagnostic::{Code, Diagnostic};
use crate::lower::tokens::{Token, Tokens};

/// How much text is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of text.
    pub(crate) bytes: usize,
    /// Tokens.
    pub(crate) tokens: usize,
}

impl Limits {
    /// For one statement.
    pub(crate) const STATEMENT: Limits = Limits {
        bytes: 256 << 10,
        tokens: 50_000,
    };
    /// For one migration file; a dump with data is larger and has no place among migrations.
    pub(crate) const MIGRATION: Limits = Limits {
        bytes: 16 << 20,
        tokens: 4_000_000,
    };
}

/// How deep brackets may nest.
const NESTING: usize = 5_000;
/// How many operators may follow each other without a comma: a chain is as deep as it is long.
const CHAIN: usize = 20_000;

/// A text with its tokens and statements.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The tokens of the whole text.
    pub(crate) tokens: Tokens,
    /// The statements in order.
    pub(crate) statements: Vec<ParsedStatement>,
}

/// One statement of a text.
#[derive(Debug)]
pub(crate) struct ParsedStatement {
    /// The raw tree.
    pub(crate) node: Node,
    /// Its place, without the semicolon.
    pub(crate) span: Range<usize>,
}

/// Lexes `text` within `limits`.
pub(crate) fn lex(text: &str, limits: Limits) -> Result<Tokens, Box<Diagnostic>> {
    if text.len() > limits.bytes {
        return Err(too_large(format!(
            "the text has {} bytes, and the analysis takes {}",
            text.len(),
            limits.bytes
        )));
    }
    if let Some(zero) = text.find('\0') {
        return Err(Box::new(
            Diagnostic::error(Code::SYNTAX, "the text holds a zero byte").at(zero..zero + 1),
        ));
    }
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token().map_err(|error| syntax(text, &error))?;
        if token.kind == 0 {
            break;
        }
        tokens.push(Token {
            kind: token.kind,
            start: token.start,
            end: token.end,
            word: matches!(token.value, Value::Keyword(_)) || token.kind == token::IDENT,
        });
        if tokens.len() > limits.tokens {
            return Err(too_large(format!(
                "the text has more than {} tokens, which is all that the analysis takes",
                limits.tokens
            )));
        }
    }
    check_depth(&tokens)?;
    Ok(Tokens::new(tokens))
}

/// Parses `text` within `limits`.
pub(crate) fn statements(text: &str, limits: Limits) -> Result<Parsed, Vec<Diagnostic>> {
    let tokens = lex(text, limits).map_err(|error| vec![*error])?;
    let (list, _) = rupg_sql::parse(text).map_err(|error| vec![*syntax(text, &error)])?;
    let mut statements = Vec::new();
    for node in list {
        let Some(Node::RawStmt(raw)) = node else {
            return Err(vec![Diagnostic::bug("the parser gave no raw statement")]);
        };
        let start = usize::try_from(raw.stmt_location).unwrap_or(0);
        let end = match usize::try_from(raw.stmt_len) {
            Ok(length) if length > 0 => start + length,
            _ => text.len(),
        };
        // The parser counts leading white space and comments to the statement.
        let start = tokens.first_from(start).unwrap_or(start).min(end);
        let end = tokens.last_until(end).unwrap_or(end).max(start);
        if let Some(node) = raw.stmt {
            statements.push(ParsedStatement {
                node,
                span: start..end,
            });
        }
    }
    Ok(Parsed { tokens, statements })
}

/// Bounds the depth of the tree from its tokens alone: brackets, `CASE`, and chains of operators.
fn check_depth(tokens: &[Token]) -> Result<(), Box<Diagnostic>> {
    let open = [character(b'('), character(b'[')];
    let close = [character(b')'), character(b']')];
    let reset = [character(b','), character(b';')];
    let mut chains = vec![0_usize];
    for token in tokens {
        let kind = Some(token.kind);
        if open.contains(&kind) || token.kind == token::CASE {
            chains.push(0);
        } else if close.contains(&kind) || token.kind == token::END_P {
            if chains.len() > 1 {
                chains.pop();
            }
        } else if reset.contains(&kind) {
            if let Some(chain) = chains.last_mut() {
                *chain = 0;
            }
        } else if let Some(chain) = chains.last_mut() {
            // Every link of a chain (`a + b + c`, `NOT NOT a`, `a JOIN b JOIN c`) has a token that
            // is no plain name or number.
            if !matches!(token.kind, token::IDENT | token::ICONST | token::SCONST) {
                *chain += 1;
            }
            if *chain > CHAIN {
                return Err(Box::new(*too_large(format!(
                    "more than {CHAIN} operators follow each other, and the analysis goes no deeper"
                ))));
            }
        }
        if chains.len() > NESTING {
            return Err(Box::new(
                too_large(format!(
                    "brackets nest deeper than {NESTING} levels, and the analysis goes no deeper"
                ))
                .at(token.start..token.end),
            ));
        }
    }
    Ok(())
}

fn too_large(message: String) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(Code::TOO_LARGE, message)
            .help("split the statement, or pass the data as an array parameter"),
    )
}

fn syntax(text: &str, error: &rupg_sql::Error) -> Box<Diagnostic> {
    let mut diagnostic = Diagnostic::error(Code::SYNTAX, lower_first(&error.message));
    if let Some(at) = error.location {
        let at = (0..=at.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let length = Lexer::new(text.get(at..).unwrap_or_default())
            .next_token()
            .map_or(1, |token| token.end.max(1));
        diagnostic = diagnostic.at(at..(at + length).min(text.len()).max(at));
    }
    if let Some((place, help)) = foreign_placeholder(text, error.location) {
        diagnostic = diagnostic.at(place).help(help);
    }
    if let Some(hint) = error.hint {
        diagnostic = diagnostic.help(lower_first(hint));
    }
    Box::new(diagnostic)
}

/// A placeholder of another database in a text that does not parse: `?`, or `:id` where the error is.
fn foreign_placeholder(text: &str, at: Option<usize>) -> Option<(Range<usize>, &'static str)> {
    const HELP: &str = "placeholders are `$id`, by the argument's name, or `$1`; \
                        `$tenant` is the session's tenant";
    let mut lexer = Lexer::new(text);
    // An operator `?` of jsonb has a value behind it.
    let mut question: Option<Range<usize>> = None;
    while let Ok(token) = lexer.next_token() {
        let place = token.start..token.end;
        let word = text.get(place.clone()).unwrap_or_default();
        let ends = token.kind == 0
            || matches!(token.value, Value::Keyword(_))
            || matches!(word, ")" | "," | ";");
        if let (Some(question), true) = (question.take(), ends) {
            return Some((question, HELP));
        }
        if token.kind == 0 {
            break;
        }
        let named = |rest: &str| rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if word == ":" && at == Some(token.start) && text.get(token.end..).is_some_and(named) {
            return Some((place, HELP));
        }
        question = (word == "?").then_some(place);
    }
    None
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_their_places() {
        let text = "-- one\nSELECT 1 ; /* two */ SELECT 2 -- end";
        let parsed = crate::worker::run(|| {
            let parsed = statements(text, Limits::STATEMENT).unwrap();
            parsed
                .statements
                .iter()
                .map(|statement| &text[statement.span.clone()])
                .collect::<Vec<_>>()
        });
        assert_eq!(parsed.unwrap(), ["SELECT 1", "SELECT 2"]);
    }

    #[test]
    fn hostile_text_ends_in_a_diagnostic() {
        let code = |text: &str| {
            let text = text.to_owned();
            crate::worker::run(move || statements(&text, Limits::STATEMENT).map(|_| ()))
                .unwrap()
                .unwrap_err()[0]
                .code
        };
        assert_eq!(code(&"(".repeat(20_000)), Code::TOO_LARGE);
        assert_eq!(
            code(&format!("SELECT {}1", "- ".repeat(25_000))),
            Code::TOO_LARGE
        );
        assert_eq!(code(&"a ".repeat(60_000)), Code::TOO_LARGE);
        assert_eq!(code(&" ".repeat(1 << 20)), Code::TOO_LARGE);
        assert_eq!(code("SELECT 'abc"), Code::SYNTAX);
        assert_eq!(code("SELECT \0 1"), Code::SYNTAX);
        assert_eq!(code("SELEC 1"), Code::SYNTAX);
    }

    #[test]
    fn placeholders_of_other_databases_are_told() {
        for text in [
            "SELECT id FROM orders WHERE id = ?",
            "SELECT id FROM orders WHERE id = :id AND x",
        ] {
            let error = crate::worker::run(|| statements(text, Limits::STATEMENT).map(|_| ()))
                .unwrap()
                .unwrap_err()
                .remove(0);
            assert!(
                error.help[0].starts_with("placeholders are `$id`"),
                "{text}"
            );
            let place = &text[error.span.unwrap()];
            assert!(place == "?" || place == ":", "{place}");
        }
    }

    #[test]
    fn a_syntax_error_points_at_its_token() {
        let text = "SELECT id FORM orders WHERE x";
        let error = crate::worker::run(|| statements(text, Limits::STATEMENT).map(|_| ()))
            .unwrap()
            .unwrap_err()
            .remove(0);
        assert_eq!(&text[error.span.unwrap()], "orders");
    }
}
