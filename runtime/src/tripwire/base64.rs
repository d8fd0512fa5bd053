//! What a few bytes look like inside of some larger base64 text.
//!
//! Three bytes become four characters, so there are three positions to begin at. At each, the
//! characters that depend on neighbouring bytes are cut off at both ends; the rest is fixed.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Adds the fixed part of every spelling of `bytes` to `patterns`.
pub(super) fn spellings(bytes: &[u8], patterns: &mut Vec<String>) {
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        // The first character that no earlier byte has a bit in, and the end of those that no
        // later byte has one in.
        let first = (before * 8).div_ceil(6);
        let end = shifted.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            if let Some(fixed) = engine.encode(&shifted).get(first..end)
                && !patterns.iter().any(|pattern| pattern == fixed)
            {
                patterns.push(fixed.to_owned());
            }
        }
    }
}
