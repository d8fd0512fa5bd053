//! Settings in a statement: `SET`, `RESET`, `DISCARD`, `set_config`, and how long each one holds.
//!
//! Read from the words of the text, also where parts of it are made at run time. A gap is `\u{1}`.

/// What stands where a text has a gap.
pub(super) const GAP: char = '\u{1}';

/// A setting that a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// In lower case; `*` for all of them, empty where it can't be told.
    pub(super) name: String,
    /// Whether it ends with the transaction; absent where that can't be told.
    pub(super) local: Option<bool>,
    /// The parameter that decides it.
    pub(super) decided_by: Option<usize>,
    /// Whether it takes a value back rather than giving one.
    pub(super) resets: bool,
    /// Whether the value stands in the text.
    pub(super) constant: bool,
}

/// Every setting that a text makes.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let words = words(text);
    let mut found = Vec::new();
    let mut start = true;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let rest = words.get(at + 1..).unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "set" if start => found.extend(set(rest)),
            "reset" if start => found.extend(reset(rest)),
            "discard"
                if start
                    && rest
                        .first()
                        .is_some_and(|it| it.eq_ignore_ascii_case("all")) =>
            {
                found.push(taken_back("*"));
            }
            "set_config" | "pg_catalog.set_config" => found.extend(set_config(rest)),
            _ => {}
        }
        start = word == ";";
        at += 1;
    }
    found
}

fn taken_back(name: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        local: Some(false),
        decided_by: None,
        resets: true,
        constant: true,
    }
}

fn set(rest: &[String]) -> Option<Setting> {
    let first = rest.first()?.to_ascii_lowercase();
    let (local, rest) = match first.as_str() {
        "local" => (true, rest.get(1..)?),
        "session" if !rest.get(1)?.eq_ignore_ascii_case("characteristics") => {
            (false, rest.get(1..)?)
        }
        "transaction" | "constraints" | "session" => return None,
        _ => (false, rest),
    };
    let name = rest.first()?.to_ascii_lowercase();
    let (name, value) = match name.as_str() {
        "authorization" => ("session_authorization".to_owned(), rest.get(1..)?),
        "role" => ("role".to_owned(), rest.get(1..)?),
        "time" => return None,
        _ => {
            let sign = rest.get(1)?;
            if sign != "=" && !sign.eq_ignore_ascii_case("to") {
                return None;
            }
            (name, rest.get(2..)?)
        }
    };
    let value = value.first()?;
    let lower = value.to_ascii_lowercase();
    Some(Setting {
        name: name.replace(GAP, ""),
        local: Some(local),
        decided_by: None,
        resets: lower == "default" || lower == "none" || value == "''",
        constant: !value.contains(GAP),
    })
}

fn reset(rest: &[String]) -> Option<Setting> {
    let name = rest.first()?.to_ascii_lowercase();
    Some(taken_back(match name.as_str() {
        "all" => "*",
        name => name,
    }))
}

/// The words after `set_config`.
fn set_config(rest: &[String]) -> Option<Setting> {
    if rest.first()? != "(" {
        return None;
    }
    let mut arguments: Vec<Vec<&str>> = vec![Vec::new()];
    let mut depth = 0;
    for word in rest.get(1..)? {
        match word.as_str() {
            ")" if depth == 0 => break,
            "," if depth == 0 => arguments.push(Vec::new()),
            word => {
                depth += i32::from(word == "(") - i32::from(word == ")");
                arguments.last_mut()?.push(word);
            }
        }
    }
    let text = |at: usize| {
        arguments
            .get(at)
            .map(|words| words.join(" "))
            .unwrap_or_default()
    };
    let name = text(0);
    let name = name.trim_matches('\'').to_ascii_lowercase();
    let value = text(1);
    let local = match text(2).to_ascii_lowercase().trim_matches('\'') {
        "true" | "t" | "on" | "1" => Some(true),
        "false" | "f" | "off" | "0" => Some(false),
        _ => None,
    };
    Some(Setting {
        name: match name.contains(['$', GAP]) {
            true => String::new(),
            false => name,
        },
        local,
        decided_by: text(2).strip_prefix('$').and_then(|it| it.parse().ok()),
        resets: value == "''",
        constant: value.starts_with('\'') && !value.contains(GAP),
    })
}

/// The words of a text: names with their dots, quoted texts, marks.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '-' && chars.peek() == Some(&'-') {
            for c in chars.by_ref() {
                if c == '\n' {
                    break;
                }
            }
            continue;
        }
        let mut word = String::from(c);
        if c == '\'' {
            for c in chars.by_ref() {
                word.push(c);
                if c == '\'' {
                    break;
                }
            }
        } else if c == '"' {
            word.clear();
            word.extend(chars.by_ref().take_while(|c| *c != '"'));
        } else if is_word(c) {
            while let Some(next) = chars.next_if(|c| is_word(*c)) {
                word.push(next);
            }
        }
        words.push(word);
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | GAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, Option<bool>, bool, bool) {
        let found = settings(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let it = &found[0];
        (it.name.clone(), it.local, it.resets, it.constant)
    }

    #[test]
    fn settings_are_read_with_their_ends() {
        let name = || "app.tenant_id".to_owned();
        for (text, expected) in [
            (
                "SET app.tenant_id = 'a'",
                (name(), Some(false), false, true),
            ),
            (
                "set session app.tenant_id to '\u{1}'",
                (name(), Some(false), false, false),
            ),
            (
                "SET LOCAL app.tenant_id = '\u{1}'",
                (name(), Some(true), false, false),
            ),
            (
                "BEGIN; SET LOCAL app.tenant_id = 'x'",
                (name(), Some(true), false, true),
            ),
            (
                "SELECT set_config('app.tenant_id', $1, false)",
                (name(), Some(false), false, false),
            ),
            (
                "SELECT pg_catalog.set_config('app.tenant_id', $1::text, true)",
                (name(), Some(true), false, false),
            ),
            (
                "SELECT set_config('app.tenant_id', '', false)",
                (name(), Some(false), true, true),
            ),
            ("RESET app.tenant_id", (name(), Some(false), true, true)),
            ("DISCARD ALL", ("*".to_owned(), Some(false), true, true)),
            (
                "SET ROLE tenant_a",
                ("role".to_owned(), Some(false), false, true),
            ),
            (
                "SET statement_timeout = 100",
                ("statement_timeout".to_owned(), Some(false), false, true),
            ),
            (
                "SELECT set_config($1, $2, $3)",
                (String::new(), None, false, false),
            ),
        ] {
            assert_eq!(one(text), expected, "{text}");
        }
        for text in [
            "UPDATE t SET a = 1",
            "SET TRANSACTION READ ONLY",
            "SET TIME ZONE 'UTC'",
            "SELECT 'SET x = 1'",
            "SET CONSTRAINTS ALL DEFERRED",
        ] {
            assert_eq!(settings(text), [], "{text}");
        }
    }
}
