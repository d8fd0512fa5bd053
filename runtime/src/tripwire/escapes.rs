//! JSON's `\u0041` for a character that could stand as itself, at any depth of quoting.
//!
//! Our own serialiser never writes a letter or a digit so, but a text that came from elsewhere can
//! hold JSON that does. Such texts are rare; only they are decoded, into a copy.

use memchr::memmem::Finder;

/// The text with its escapes replaced; `None` if there are none.
pub(super) fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = Finder::new(b"\\u");
    let mut starts = escape.find_iter(bytes).peekable();
    starts.peek()?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    for start in starts {
        let Some(letter) = character(bytes, start) else {
            continue;
        };
        out.extend_from_slice(bytes.get(copied..start).unwrap_or_default());
        // In quoted JSON the escape itself has backslashes in front of it.
        while out.last() == Some(&b'\\') {
            out.pop();
        }
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        copied = start + 6;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Some(out)
}

/// The character of the escape that begins here. A surrogate is none by itself, and no identifier
/// has one.
fn character(bytes: &[u8], start: usize) -> Option<char> {
    let digits = bytes.get(start + 2..start + 6)?;
    let mut code = 0;
    for digit in digits {
        code = code * 16 + char::from(*digit).to_digit(16)?;
    }
    char::from_u32(code)
}
