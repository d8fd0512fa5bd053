//! Splits a text of statements with named parameters at its semicolons.
//!
//! The parser's lexer does not take `$name`, so this follows PostgreSQL's lexical rules by hand.
//! Nothing rests on it: each piece is prepared and parsed again, and one that was cut wrongly is
//! refused.

use std::ops::Range;

/// The ranges of the statements, without semicolons; pieces of white space and comments are left
/// out.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let (mut start, mut at, mut solid) = (0, 0, false);
    while let Some(byte) = bytes.get(at).copied() {
        let rest = text.get(at..).unwrap_or_default();
        let skipped = match byte {
            b';' => {
                if solid {
                    pieces.push(start..at);
                }
                start = at + 1;
                solid = false;
                at += 1;
                continue;
            }
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => comment(rest),
            _ => 0,
        };
        if skipped > 0 {
            at += skipped;
            continue;
        }
        solid = solid || !byte.is_ascii_whitespace();
        at += match byte {
            b'\'' => {
                let escapes = matches!(
                    at.checked_sub(1).and_then(|before| bytes.get(before)),
                    Some(b'e' | b'E')
                ) && !at
                    .checked_sub(2)
                    .and_then(|before| bytes.get(before))
                    .is_some_and(|b| is_word(*b));
                quoted(rest, b'\'', escapes)
            }
            b'"' => quoted(rest, b'"', false),
            b'$' if !at
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .is_some_and(|b| is_word(*b)) =>
            {
                dollar(rest).unwrap_or(1)
            }
            _ => 1,
        };
    }
    if solid {
        pieces.push(start..text.len());
    }
    pieces
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The length of a comment, which may nest.
fn comment(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of a quoted text; a doubled quote stays inside.
fn quoted(text: &str, quote: u8, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        if escapes && byte == b'\\' {
            at += 1;
        } else if byte == quote {
            if bytes.get(at) == Some(&quote) {
                at += 1;
            } else {
                return at;
            }
        }
    }
    bytes.len()
}

/// The length of a dollar-quoted text; nothing for a parameter.
fn dollar(text: &str) -> Option<usize> {
    let tag = text.get(1..)?.find('$').map(|end| text.get(..end + 2))??;
    let name = tag.get(1..tag.len() - 1)?;
    let valid = name.bytes().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !valid {
        return None;
    }
    let body = text.get(tag.len()..)?;
    Some(body.find(tag).map_or(text.len(), |end| tag.len() * 2 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        split(text)
            .into_iter()
            .map(|range| text[range].trim())
            .collect()
    }

    #[test]
    fn semicolons_separate() {
        assert_eq!(
            pieces("SELECT $a; SELECT $tenant;;\n-- end\n"),
            ["SELECT $a", "SELECT $tenant"]
        );
        assert_eq!(pieces(" \n /* a; b */ "), Vec::<&str>::new());
    }

    #[test]
    fn but_not_inside_strings_comments_and_names() {
        for text in [
            "SELECT ';', \"a;b\" /* ; /* ; */ ; */ FROM t",
            "SELECT 'it''s;', E'\\';', $$;$$, $x$ ; $$ ; $x$ FROM t",
            "SELECT 1 -- ; here\n FROM t WHERE a = $tenant AND b = $x",
            "SELECT name'\\' FROM t",
        ] {
            assert_eq!(pieces(text), [text]);
        }
        assert_eq!(
            pieces("SELECT $tenant; SELECT '$tenant'; SELECT $b$;$b$").len(),
            3
        );
    }
}
