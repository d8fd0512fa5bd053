//! Text as a terminal, a log and a page may have it.
//!
//! Invariant: what would move a cursor, change colours, hide letters or turn their order is shown by its
//! number, never done. Names in a database, paths and sources are anybody's.

use std::borrow::Cow;

/// The text with every line kept, and nothing else that acts.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match acts(c) {
            true => out.push_str(&number(c)),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The text on one line.
pub(crate) fn one_line(text: &str) -> String {
    let text = clean(text);
    text.split(['\n', '\t'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a character does something instead of being shown.
pub(crate) fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || is_hidden(c)
}

/// JSON in which such characters are escaped: the same text to a parser, and harmless where it is looked at.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match acts(c) {
            // Only strings have them: the writer escapes those below a space by itself.
            true => {
                let mut units = [0_u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => out.push(c),
        }
    }
    out
}

/// How such a character is written.
pub(crate) fn number(c: char) -> String {
    format!("\u{2997}U+{:04X}\u{2998}", u32::from(c))
}

/// What changes the order of letters, or can't be seen.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        assert_eq!(clean("a\u{1b}[31mb"), "a\u{2997}U+001B\u{2998}[31mb");
        assert_eq!(clean("a\u{202e}b\u{9b}c"), "a⦗U+202E⦘b⦗U+009B⦘c");
        assert_eq!(clean("a\r\n\tb\rc"), "a\n\tb⦗U+000D⦘c");
        assert!(matches!(clean("plain, ä, 表, 👍🏽"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_text() {
        let text = "a\u{1b}\u{9b}\u{202e}\u{e0001}\u{7f}b";
        let json = escaped(&serde_json::to_string(text).unwrap());
        assert!(!json.chars().any(acts), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn lines_become_one() {
        assert_eq!(one_line("a\n  b\r\n\tc"), "a b c");
    }
}
