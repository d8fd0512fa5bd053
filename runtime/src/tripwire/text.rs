//! A long text identifier: anywhere, as a word of its own, or inside of base64.

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

use super::base64::spellings;

pub(crate) struct TextWire {
    id: Finder<'static>,
    base64: Option<AhoCorasick>,
}

impl TextWire {
    pub(super) fn new(id: &str) -> Self {
        let mut patterns = Vec::new();
        spellings(id.as_bytes(), &mut patterns);
        let base64 = AhoCorasick::new(&patterns)
            .inspect_err(|error| tracing::error!(%error, "no tripwire for base64"))
            .ok();
        Self {
            id: Finder::new(id).into_owned(),
            base64,
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
                .is_some_and(|wire| wire.is_match(bytes))
    }
}

const fn continues_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
