//! How deep a source nests, told from its bytes before it is parsed.
//!
//! Parsers, walks and destructors of syntax trees call themselves once for each level, and a stack that
//! overflows ends the process. Invariant: the depth is never under that of the tree, so what is let
//! through fits the stack of `sources`; a file that is left out is told.

/// How many levels are read on a stack of `STACK` bytes.
pub(super) const MOST: usize = 4_000;
/// The stack of a thread that reads sources, in bytes. It is only taken as far as it is used.
pub(super) const STACK: usize = 512 << 20;

/// The most tokens that can lie over each other in one expression, through all its brackets: operators
/// and method calls nest as brackets do.
pub(super) fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut open = vec![Run::default()];
    let (mut total, mut most, mut at) = (0_usize, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let length = token(bytes, at);
        let word = bytes.get(at..at + length).unwrap_or_default();
        at += length;
        if byte.is_ascii_whitespace() || word.starts_with(b"//") || word.starts_with(b"/*") {
            continue;
        }
        let Some(run) = open.last_mut() else {
            break;
        };
        let goes_on = matches!(byte, b'.' | b'?' | b')' | b']') || word == b"else" || word == b"as";
        let joins = byte.is_ascii_punctuation() && !matches!(byte, b'#' | b'_' | b'\'' | b'"');
        if std::mem::take(&mut run.after_block) && !goes_on && !joins
            || byte == b','
            || byte == b';'
        {
            total -= run.tokens;
            run.tokens = 0;
        }
        match byte {
            b'(' | b'[' | b'{' => {
                run.tokens += 1;
                total += 1;
                open.push(Run::default());
            }
            b')' | b']' | b'}' => {
                let closed = open.pop().unwrap_or_default();
                total -= closed.tokens;
                match open.last_mut() {
                    Some(outer) => outer.after_block = byte == b'}',
                    // More is closed than was opened: the parser says so.
                    None => open.push(Run::default()),
                }
            }
            _ => {
                run.tokens += 1;
                total += 1;
            }
        }
        most = most.max(total);
    }
    most
}

/// What stands between two separators of one pair of brackets.
#[derive(Default)]
struct Run {
    tokens: usize,
    /// Whether a block was closed last, after which something else may begin.
    after_block: bool,
}

/// The length of the token, comment or white space that begins here; at least one.
fn token(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let find = |from: usize, end: &[u8]| {
        let tail = rest.get(from..).unwrap_or_default();
        let found = tail.windows(end.len()).position(|it| it == end);
        found.map_or(rest.len(), |found| from + found + end.len())
    };
    match rest {
        [b'/', b'/', ..] => find(2, b"\n"),
        [b'/', b'*', ..] => comment(rest),
        [b'"', ..] => 1 + quoted(rest.get(1..).unwrap_or_default(), b'"'),
        [b'\'', b'\\', ..] => 1 + quoted(rest.get(1..).unwrap_or_default(), b'\''),
        [b'\'', ..] => {
            // `'a'` is a character, `'a` a lifetime.
            let text = std::str::from_utf8(rest.get(1..rest.len().min(6)).unwrap_or_default());
            let text = text.unwrap_or_else(|it| {
                let valid = rest.get(1..1 + it.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            });
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(one), Some('\'')) => 2 + one.len_utf8(),
                _ => 1,
            }
        }
        [first, ..] if first.is_ascii_alphanumeric() || *first == b'_' || *first >= 0x80 => {
            let word = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_' || *it >= 0x80;
            let length = rest.iter().take_while(|it| word(it)).count();
            let hashes = rest
                .iter()
                .skip(length)
                .take_while(|it| **it == b'#')
                .count();
            let raw = matches!(rest.get(..length), Some(b"r" | b"br" | b"cr"));
            if raw && rest.get(length + hashes) == Some(&b'"') {
                let mut end = vec![b'"'];
                end.extend(std::iter::repeat_n(b'#', hashes));
                return find(length + hashes + 1, &end);
            }
            length
        }
        _ => 1,
    }
}

/// The length of what is quoted, with its end.
fn quoted(rest: &[u8], end: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == end => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a comment, with those within it.
fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest.get(at..at + 2) {
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
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn what_nests_is_counted_and_what_follows_is_not() {
        assert!(
            depth(&format!(
                "fn f() {{ x({}1{}) }}",
                "(".repeat(500),
                ")".repeat(500)
            )) > 500
        );
        assert!(depth(&format!("const A: i32 = {}1;", "-".repeat(500))) > 500);
        assert!(depth(&format!("const A: i32 = 1{};", " + 1".repeat(500))) > 500);
        assert!(depth(&format!("fn f() {{ s{} }}", ".trim()".repeat(500))) > 500);
        let chain = "if a { 1 } else ".repeat(500);
        assert!(depth(&format!("fn f() {{ {chain} {{ 2 }} }}")) > 500);
        assert!(
            depth(&format!(
                "type A = {}u8{};",
                "Vec<".repeat(500),
                ">".repeat(500)
            )) > 500
        );
        assert!(depth(&"fn f(a: u8) -> u8 { a + 1 }\n".repeat(5_000)) < 20);
        assert!(depth(&format!("const A: &[u8] = &[{}];", "1, 2, ".repeat(5_000))) < 20);
        assert!(depth(&"if a { b() }\n".repeat(5_000)) < 20);
    }

    #[test]
    fn texts_and_comments_are_no_code() {
        let text = r####"// ((((((((((((((((((((
            /* (((( /* ((((((( */ ((((((((( */
            const A: &str = "((((((((\"(((((((((";
            const B: &str = r#"(((((" ((((((((("#; const C: char = '('; const D: char = '\''; const E: u8 = b'(';
            fn f<'a>(a: &'a str) -> &'a str { a }"####;
        assert!(depth(text) < 20, "{}", depth(text));
        for text in [
            "",
            "\"",
            "'",
            "/*",
            "r#\"",
            "}}}}",
            "'\\",
            "é'é'",
            "r",
            "'\u{1f600}'",
        ] {
            depth(text);
        }
    }
}
