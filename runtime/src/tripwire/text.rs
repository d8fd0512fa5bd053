//! A long text identifier: anywhere, as a word of its own, or inside of base64.

use memchr::memmem::Finder;

use super::base64::spellings;
use super::patterns::Patterns;

pub(crate) struct TextWire {
    id: Finder<'static>,
    base64: Option<Patterns>,
}

impl TextWire {
    pub(super) fn new(id: &str) -> Self {
        let mut patterns = Vec::new();
        spellings(id.as_bytes(), &mut patterns);
        Self {
            id: Finder::new(id).into_owned(),
            base64: Patterns::new(&patterns),
        }
    }

    pub(super) fn finds(&self, bytes: &[u8]) -> bool {
        let alone = |start: usize| {
            let before = start.checked_sub(1).and_then(|at| bytes.get(at));
            let after = bytes.get(start + self.id.needle().len());
            ![before, after]
                .into_iter()
                .flatten()
                .any(|byte| continues_a_word(*byte))
        };
        self.id.find_iter(bytes).any(alone)
            || self
                .base64
                .as_ref()
                .is_some_and(|patterns| patterns.any(bytes, |_, _| true))
    }
}

const fn continues_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
