//! Texts within texts: base64, percent-encoding. What leaks in another writing leaks all the same.
//!
//! Invariant: what is taken for an encoding decodes to plain readable text; anything else stays as it is.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A longer text is not decoded.
const LONGEST: usize = 256 * 1024;

/// The texts that are encoded in a text.
pub(crate) fn inside(text: &str) -> Vec<String> {
    if text.len() > LONGEST {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(base64(text.trim()));
    if let Some((scheme, data)) = text.split_once(";base64,")
        && scheme.starts_with("data:")
    {
        found.extend(base64(data.trim()));
    }
    if text.contains('%') {
        let parts = text.split(['?', '&', '=', '#', ' ']);
        found.extend(parts.filter_map(percent));
    }
    found
}

/// Whether the whole text is an encoding of another one.
pub(crate) fn is_encoded(text: &str) -> bool {
    text.len() <= LONGEST && base64(text.trim()).is_some()
}

fn base64(text: &str) -> Option<String> {
    let body = text.trim_end_matches('=');
    let of_it = |c: u8| c.is_ascii_alphanumeric() || b"+/-_".contains(&c);
    if body.len() < 16 || !body.bytes().all(of_it) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(body)
        .or_else(|_| STANDARD_NO_PAD.decode(body))
        .ok()?;
    let decoded = String::from_utf8(bytes).ok()?;
    let readable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let ascii = decoded.chars().filter(char::is_ascii).count();
    (decoded.chars().all(readable) && ascii * 2 >= decoded.chars().count()).then_some(decoded)
}

/// The text without percent-encoding, where it has some.
fn percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut any = false;
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|it| std::str::from_utf8(it).ok())
            .and_then(|it| u8::from_str_radix(it, 16).ok());
        match code {
            Some(code) => {
                any = true;
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    any.then(|| String::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_read_and_ids_are_not_taken_for_them() {
        let text = "{\"name\":\"Wile E. Coyote\"}";
        assert_eq!(inside(&URL_SAFE_NO_PAD.encode(text)), [text]);
        assert_eq!(
            inside("https://x.example/?d=%5B%22Works%20council%22%5D&e=1"),
            ["[\"Works council\"]"]
        );
        for plain in [
            "7f2c1de0-3a5b-4c8d-9e1f-000000000001",
            "internationalisation",
            "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
            "100% of it",
        ] {
            assert_eq!(inside(plain), [""; 0], "{plain}");
        }
    }
}
