//! Modules for serde's `with` that are known to read and write a time, a number or bytes: well-kept
//! crates without a way to smuggle anything else into a value.
//!
//! A module of the user's own may bear such a name. It would do so on purpose, and the published
//! schema still says what is accepted.

/// A path, or the beginning of one, and what it reads.
const KNOWN: &[(&str, &str)] = &[
    ("time::serde::", "times in the common formats"),
    ("chrono::serde::", "times as numbers"),
    (
        "jiff::fmt::serde::",
        "times and spans in the common formats",
    ),
    ("rust_decimal::serde::", "decimal numbers"),
    ("uuid::serde::", "uuids in their other forms"),
    ("humantime_serde", "durations such as `15min`"),
    ("serde_bytes", "bytes"),
    ("hex", "bytes in hexadecimal"),
    ("hex::serde", "bytes in hexadecimal"),
];

/// Whether the module reads plain values.
pub(super) fn is_known(path: &str) -> bool {
    let path = path.trim().trim_start_matches("::").replace(' ', "");
    KNOWN.iter().any(|(known, _)| match known.ends_with("::") {
        true => path.starts_with(known),
        false => path == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, is_known};

    #[test]
    fn paths_are_compared_whole() {
        for path in [
            "time::serde::rfc3339",
            "::time::serde::iso8601::option",
            "hex",
        ] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "my::time::serde::rfc3339",
            "hexes",
            "time",
            "rfc3339",
            "crate::hex",
        ] {
            assert!(!is_known(path), "{path}");
        }
        assert!(KNOWN.iter().all(|(_, reads)| !reads.is_empty()));
    }
}
