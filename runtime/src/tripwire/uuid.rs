//! A uuid in the forms it takes in text: hyphenated, plain, URL-encoded, in either case, and as
//! base64 of its bytes or of its text.
//!
//! Every textual form ends in the same twelve digits without a separator. Four of those are looked
//! for, beside the base64 forms and in the same pass; then the digits around them are compared.

use uuid::Uuid;

use super::base64::spellings;
use super::patterns::Patterns;

/// Digits of the last group.
const TAIL: usize = 12;
/// How many of them are looked for. Fewer are found too often by chance, more have too many
/// spellings in upper and lower case.
const WINDOW: usize = 4;
/// How JSON writes a digit, a letter or a hyphen that it need not escape. Looked for in the same
/// pass: one of its own would cost half as much again.
const ESCAPE: &str = "\\u00";
/// Where the groups in front of it end, counted in digits from the left.
const GROUP_ENDS: [usize; 4] = [8, 12, 16, 20];
/// What may stand between two groups: a hyphen, as itself, in a URL, in JSON, in HTML, and the
/// hyphens and dashes of Unicode, which typesetters put in its place.
const SEPARATORS: [&[u8]; 21] = [
    b"-",
    b"%2d",
    b"%2D",
    b"\\u002d",
    b"\\u002D",
    b"\\u2010",
    b"\\u2011",
    b"\\u2012",
    b"\\u2013",
    b"\\u2212",
    b"&#45;",
    b"&#x2d;",
    b"&#x2D;",
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
    /// The first `windows` are spellings of the window, then comes `ESCAPE`; the others are base64.
    patterns: Option<Patterns>,
    windows: usize,
    /// Where the window is within the tail.
    offset: usize,
}

impl UuidWire {
    pub(super) fn new(id: Uuid) -> Self {
        let mut digits = [0; 32];
        id.simple().encode_lower(&mut digits);
        let (_, tail) = digits.split_at(digits.len() - TAIL);
        let (offset, window) = window(tail);
        let mut patterns = in_any_case(window);
        let windows = patterns.len();
        patterns.push(ESCAPE.to_owned());
        let hyphenated = id.hyphenated().to_string();
        let simple = id.simple().to_string();
        spellings(id.as_bytes(), &mut patterns);
        for text in [&hyphenated, &simple] {
            spellings(text.as_bytes(), &mut patterns);
            spellings(text.to_ascii_uppercase().as_bytes(), &mut patterns);
        }
        Self {
            digits,
            patterns: Patterns::new(&patterns),
            windows,
            offset,
        }
    }

    /// Tells on the way whether a digit or a letter may be there as an escape.
    pub(super) fn finds(&self, bytes: &[u8], escapes: &mut bool) -> bool {
        let Some(patterns) = &self.patterns else {
            return false;
        };
        patterns.any(bytes, |pattern, at| {
            if pattern == self.windows {
                *escapes = true;
                return false;
            }
            pattern > self.windows
                || at
                    .checked_sub(self.offset)
                    .is_some_and(|start| self.matches_tail_at(bytes, start))
        })
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
    let mut before = SEPARATORS
        .iter()
        .find_map(|separator| bytes.strip_suffix(*separator))
        .unwrap_or(bytes);
    // An escape in quoted JSON has further backslashes in front of it.
    while let Some(rest) = before.strip_suffix(b"\\") {
        before = rest;
    }
    before
}

/// The digits of the tail to look for, and where they begin: those that have the fewest spellings
/// and are the rarest in ordinary text.
fn window(tail: &[u8]) -> (usize, &[u8]) {
    let rank = |window: &[u8]| {
        let letters = window.iter().filter(|digit| digit.is_ascii_alphabetic());
        let often: u32 = window.iter().map(|digit| frequency(*digit)).sum();
        (letters.count(), often)
    };
    tail.windows(WINDOW)
        .enumerate()
        .min_by_key(|(_, window)| rank(window))
        .unwrap_or((0, tail))
}

/// Every mixture of upper and lower case.
fn in_any_case(digits: &[u8]) -> Vec<String> {
    let mut spellings = vec![String::new()];
    for digit in digits {
        let (lower, upper) = (char::from(*digit), char::from(digit.to_ascii_uppercase()));
        for index in 0..spellings.len() {
            if lower != upper
                && let Some(other) = spellings.get(index).map(|text| format!("{text}{upper}"))
            {
                spellings.push(other);
            }
            if let Some(text) = spellings.get_mut(index) {
                text.push(lower);
            }
        }
    }
    spellings
}

/// A rough rank by how often a hexadecimal digit occurs in English text with some numbers in it.
fn frequency(digit: u8) -> u32 {
    match digit {
        b'7' | b'8' | b'9' | b'6' => 0,
        b'3'..=b'5' => 1,
        b'b' | b'2' => 2,
        b'1' => 3,
        b'0' => 4,
        b'f' => 4,
        b'c' => 5,
        b'd' => 6,
        b'a' => 7,
        _ => 8,
    }
}
