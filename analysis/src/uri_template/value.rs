//! The value of a variable: decoded once, and nothing that could mean another place.

use super::is_plain;

/// Decodes percent-encoding, once. `None` for what is empty, is not UTF-8, or contains what a
/// simple variable can't: a separator of paths, a control character, or the names of this folder
/// and the one above.
pub(super) fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(letter) = rest.next() {
        if letter == '%' {
            let high = rest.next()?.to_digit(16)?;
            let low = rest.next()?.to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else if is_plain(letter) {
            bytes.push(u8::try_from(letter).ok()?);
        } else {
            return None;
        }
    }
    let value = String::from_utf8(bytes).ok()?;
    let elsewhere = value.is_empty()
        || value == "."
        || value == ".."
        || value
            .chars()
            .any(|letter| letter.is_control() || matches!(letter, '/' | '\\'));
    (!elsewhere).then_some(value)
}

/// Encodes everything but RFC 3986's unreserved characters, as a simple expansion does.
pub(super) fn encode(value: &str, uri: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
}
