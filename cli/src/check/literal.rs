//! Literals: their values, and where each part of a value stands in the source.
//!
//! Invariant: a place that can't be told is the whole literal, never another one.

use proc_macro2::{Group, TokenStream, TokenTree};
use syn::LitStr;

use super::facts::Literal;

/// A string literal with its places.
pub(crate) fn literal(lit: &LitStr, source: &str) -> Literal {
    let span = lit.span().byte_range();
    let value = lit.value();
    let written = source.get(span.clone()).unwrap_or_default();
    let map = map(written, &value, span.start);
    Literal { value, span, map }
}

fn map(written: &str, value: &str, start: usize) -> Vec<(usize, usize)> {
    if let Some(rest) = written.strip_prefix('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        return vec![(0, start + 2 + hashes)];
    }
    let mut map = vec![(0, start + 1)];
    let (mut at, mut out) = (1, 0);
    while let Some(rest) = written.get(at..) {
        let Some(first) = rest.chars().next() else {
            break;
        };
        if out >= value.len() {
            break;
        }
        if first != '\\' {
            at += first.len_utf8();
            out += first.len_utf8();
            continue;
        }
        let (taken, given) = escape(rest);
        at += taken;
        out += given;
        map.push((out, start + at));
    }
    map
}

/// How long an escape is in the source and in the value.
fn escape(rest: &str) -> (usize, usize) {
    match rest.chars().nth(1) {
        Some('x') => (4, 1),
        Some('u') => {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            let digits: String = rest
                .get(..end)
                .unwrap_or_default()
                .chars()
                .filter(char::is_ascii_hexdigit)
                .collect();
            let length = u32::from_str_radix(&digits, 16)
                .ok()
                .and_then(char::from_u32)
                .map_or(1, char::len_utf8);
            (end, length)
        }
        // A line that goes on: the white space before it is left out.
        Some('\n' | '\r') => {
            let tail = rest.get(1..).unwrap_or_default();
            (1 + tail.len() - tail.trim_start().len(), 0)
        }
        _ => (2, 1),
    }
}

/// Whether a text begins as a statement does.
pub(crate) fn is_sql(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    let mut words = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    let (Some(first), Some(second)) = (words.next(), words.next()) else {
        return false;
    };
    let upper = |word: &str| word.to_ascii_uppercase();
    let rest = upper(text);
    match upper(first).as_str() {
        // Prose begins with these words too: "Select a customer from the list".
        "SELECT" => {
            rest.contains(" FROM ")
                || rest.contains("\nFROM ")
                || rest.contains("(")
                || rest.contains('*')
        }
        "INSERT" => upper(second) == "INTO",
        "UPDATE" => rest.contains(" SET ") || rest.contains("\nSET ") || rest.contains(" SET\n"),
        "DELETE" => upper(second) == "FROM" && !rest.contains(" THE "),
        "MERGE" => upper(second) == "INTO",
        "WITH" => rest.contains(" AS (") || rest.contains(" AS MATERIALIZED ("),
        "SET" => is_set(text),
        "CREATE" | "ALTER" => [
            "TABLE", "POLICY", "INDEX", "UNIQUE", "VIEW", "SCHEMA", "TYPE", "FUNCTION", "OR",
        ]
        .contains(&upper(second).as_str()),
        "BEGIN" => text.contains(';'),
        "RESET" => upper(second) == "ALL" || text.contains('.') || upper(second) == "ROLE",
        "TRUNCATE" => text.split_whitespace().count() < 12 && !rest.contains(" THE "),
        "COPY" => rest.contains(" TO STDOUT") || rest.contains(" FROM STDIN"),
        "DISCARD" => upper(second) == "ALL",
        _ => false,
    }
}

/// `SET [LOCAL|SESSION] name = …`
fn is_set(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.starts_with("SET LOCAL ")
        || upper.starts_with("SET SESSION ")
        || upper.starts_with("SET ROLE")
        || upper.contains('=')
        || upper.contains(" TO ")
}

/// Whether tokens hold a literal that is a statement, or name sqlx.
pub(crate) fn mentions_sql(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => in_group(&group),
        TokenTree::Literal(lit) => {
            let text = lit.to_string();
            let text = text.trim_start_matches(['r', '#']).trim_start_matches('"');
            is_sql(text)
        }
        TokenTree::Ident(ident) => ident == "sqlx" || ident == "PgPool",
        TokenTree::Punct(_) => false,
    })
}

/// Whether tokens hold a literal that is a statement.
pub(crate) fn holds_sql(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => holds_sql(&group.stream()),
        TokenTree::Literal(lit) => {
            let text = lit.to_string();
            is_sql(text.trim_start_matches(['r', '#']).trim_start_matches('"'))
        }
        _ => false,
    })
}

/// Whether tokens name a macro of ours that judges statements.
pub(crate) fn judges(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => judges(&group.stream()),
        TokenTree::Ident(ident) => {
            let ours = ["tenant_query", "system_query", "unproved"];
            ours.iter().any(|it| ident == it)
        }
        _ => false,
    })
}

/// Whether tokens send a statement.
pub(crate) fn sends(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => sends(&group.stream()),
        TokenTree::Ident(ident) => {
            ident == "sqlx" || super::extract::TAKES_SQL.iter().any(|it| ident == it)
        }
        _ => false,
    })
}

fn in_group(group: &Group) -> bool {
    mentions_sql(&group.stream())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(source: &str, part: &str) -> String {
        let lit: LitStr = syn::parse_str(source).unwrap();
        let literal = literal(&lit, source);
        let at = literal.value.find(part).unwrap();
        source[literal.place(&(at..at + part.len()))].to_owned()
    }

    #[test]
    fn places_of_values_are_places_of_the_source() {
        assert_eq!(place(r#""SELECT a FROM t""#, "t"), "t");
        assert_eq!(place(r##"r#"SELECT "a" FROM t"#"##, "FROM"), "FROM");
        assert_eq!(place("\"SELECT \\\"a\\\" \\n FROM t\"", "FROM"), "FROM");
        assert_eq!(place("\"SELECT a \\\n      FROM t\"", "FROM t"), "FROM t");
        assert_eq!(place("\"SELECT '\\u{e4}' FROM t\"", "FROM"), "FROM");
    }

    #[test]
    fn prose_is_no_statement() {
        for text in [
            "Select a customer",
            "Update the invoice",
            "Delete a row from the list",
            "with care",
            "Set the plan",
            "insert",
            "Create a ticket",
        ] {
            assert!(!is_sql(text), "{text}");
        }
        for text in [
            "SELECT id FROM t",
            "\n  select 1, count(*) from t",
            "INSERT INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "SET app.tenant_id = 'a'",
            "DELETE FROM t",
        ] {
            assert!(is_sql(text), "{text}");
        }
    }
}
