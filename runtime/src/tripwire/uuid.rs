//! A uuid in the forms it takes in text: hyphenated, plain, URL-encoded, in either case, and as
//! base64 of its bytes or of its text.
//!
//! Every textual form ends in the same twelve digits without a separator. Those are looked for,
//! and what is in front of them is compared backwards.

use aho_corasick::AhoCorasick;
use uuid::Uuid;

use super::base64::spellings;

/// Digits of the last group.
const TAIL: usize = 12;
/// Where the groups in front of it end, counted in digits from the left.
const GROUP_ENDS: [usize; 4] = [8, 12, 16, 20];
/// What may stand between two groups: a hyphen, as itself, in a URL, in JSON, in HTML, and the
/// hyphens and dashes of Unicode, which typesetters put in its place.
const SEPARATORS: [&[u8]; 14] = [
    b"-",
    b"%2d",
    b"%2D",
    b"\\u002d",
    b"\\u002D",
    b"&#45;",
    b"_",
    b":",
    b" ",
    "\u{2010}".as_bytes(),
    "\u{2011}".as_bytes(),
    "\u{2012}".as_bytes(),
    "\u{2013}".as_bytes(),
    "\u{2212}".as_bytes(),
];

pub(crate) struct UuidWire {
    /// 32 digits, lower case.
    digits: [u8; 32],
    /// The rarest digit of the tail in ordinary text, and its distance from the tail's start.
    rare: (u8, usize),
    base64: Option<AhoCorasick>,
}

impl UuidWire {
    pub(super) fn new(id: Uuid) -> Self {
        let mut digits = [0; 32];
        id.simple().encode_lower(&mut digits);
        let mut patterns = Vec::new();
        let hyphenated = id.hyphenated().to_string();
        let simple = id.simple().to_string();
        spellings(id.as_bytes(), &mut patterns);
        for text in [&hyphenated, &simple] {
            spellings(text.as_bytes(), &mut patterns);
            spellings(text.to_ascii_uppercase().as_bytes(), &mut patterns);
        }
        // Building fails only beyond sizes that these few patterns don't come near.
        let base64 = AhoCorasick::new(&patterns)
            .inspect_err(|error| tracing::error!(%error, "no tripwire for base64"))
            .ok();
        let (_, tail) = digits.split_at(digits.len() - TAIL);
        let rare = tail
            .iter()
            .enumerate()
            .min_by_key(|(_, digit)| frequency(**digit));
        let rare = rare.map_or((digits[0], 0), |(at, digit)| (*digit, at));
        Self {
            digits,
            rare,
            base64,
        }
    }

    pub(super) fn finds(&self, bytes: &[u8]) -> bool {
        let (digit, offset) = self.rare;
        let ends_here = |at: usize| {
            at.checked_sub(offset)
                .is_some_and(|start| self.matches_tail_at(bytes, start))
        };
        memchr::memchr2_iter(digit, digit.to_ascii_uppercase(), bytes).any(ends_here)
            || self
                .base64
                .as_ref()
                .is_some_and(|wire| wire.is_match(bytes))
    }

    /// The last twelve digits begin at `start`, and the first twenty are in front of them.
    fn matches_tail_at(&self, bytes: &[u8], start: usize) -> bool {
        let (head, tail) = self.digits.split_at(self.digits.len() - TAIL);
        let found = bytes.get(start..start + TAIL);
        if !found.is_some_and(|found| found.eq_ignore_ascii_case(tail)) {
            return false;
        }
        let mut before = bytes.get(..start).unwrap_or_default();
        for (at, digit) in head.iter().enumerate().rev() {
            if GROUP_ENDS.contains(&(at + 1)) {
                before = without_separator(before);
            }
            match before.split_last() {
                Some((last, rest)) if last.eq_ignore_ascii_case(digit) => before = rest,
                _ => return false,
            }
        }
        true
    }
}

fn without_separator(bytes: &[u8]) -> &[u8] {
    SEPARATORS
        .iter()
        .find_map(|separator| bytes.strip_suffix(*separator))
        .unwrap_or(bytes)
}

/// A rough rank by how often a hexadecimal digit occurs in English text with some numbers in it.
fn frequency(digit: u8) -> u8 {
    match digit {
        b'7' | b'8' | b'9' | b'6' => 0,
        b'3'..=b'5' => 1,
        b'b' | b'2' => 2,
        b'0' | b'1' => 3,
        b'f' => 4,
        b'c' => 5,
        b'd' => 6,
        b'a' => 7,
        _ => 8,
    }
}
