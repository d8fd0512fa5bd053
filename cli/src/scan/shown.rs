//! What a server said, made fit for a terminal and a report.
//!
//! Invariant: no control or direction character, no secret of ours and no endless text is printed.

use std::sync::RwLock;

/// The longest text that is shown of a server.
const LONGEST: usize = 120;

/// Texts that are never shown: tokens, header values, variables.
static SECRETS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Keeps a text out of everything that is shown from now on.
pub(crate) fn keep_secret(text: &str) {
    // A word such as `true` is no secret, and hiding it would hide the report.
    if text.len() < 6 {
        return;
    }
    if let Ok(mut secrets) = SECRETS.write()
        && !secrets.iter().any(|known| known == text)
    {
        secrets.push(text.to_owned());
        secrets.sort_by_key(|known| std::cmp::Reverse(known.len()));
    }
}

/// A server's text on one line.
pub(crate) fn shown(text: &str) -> String {
    let text = hidden(text);
    let mut out = String::new();
    let mut count = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            space = !out.is_empty();
            continue;
        }
        if invisible(c) {
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
            count += 1;
        }
        if count >= LONGEST {
            out.push('…');
            break;
        }
        // A backtick would end the quotation.
        out.push(if c == '`' { '\'' } else { c });
        count += 1;
    }
    out
}

/// The text without our secrets.
pub(crate) fn hidden(text: &str) -> String {
    let mut text = text.to_owned();
    if let Ok(secrets) = SECRETS.read() {
        for secret in secrets.iter() {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "[secret]");
            }
        }
    }
    text
}

/// Characters that change how others are shown, or hide.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_directions_are_gone() {
        assert_eq!(shown("a\u{1b}[31mb\u{202e}c\n\n d\u{7}"), "a [31mbc d");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn secrets_are_not_shown() {
        keep_secret("s3cret-token-of-a-test");
        assert_eq!(
            shown("you sent s3cret-token-of-a-test!"),
            "you sent [secret]!"
        );
    }
}
