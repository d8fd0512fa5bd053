//! Many words at once, with vector instructions where the processor has them.

use aho_corasick::packed::{Config, MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Input, Span};

/// A search for any of some words.
pub(super) enum Patterns {
    Packed(Searcher),
    Automaton(AhoCorasick),
}

impl Patterns {
    /// `None` if there are none, or beyond sizes that a few short words don't come near.
    pub(super) fn new(words: &[String]) -> Option<Self> {
        let mut packed = Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .heuristic_pattern_limits(false)
            .builder();
        if let Some(searcher) = packed.extend(words).build() {
            return Some(Self::Packed(searcher));
        }
        AhoCorasick::new(words)
            .inspect_err(|error| tracing::error!(%error, "a tripwire can't be laid"))
            .ok()
            .map(Self::Automaton)
    }

    /// Whether a word that is found passes `holds`, which is told the word's number and its start.
    /// Words that overlap are all looked at.
    pub(super) fn any(&self, bytes: &[u8], mut holds: impl FnMut(usize, usize) -> bool) -> bool {
        let mut from = 0;
        while let Some((word, start)) = self.next(bytes, from) {
            if holds(word, start) {
                return true;
            }
            from = start + 1;
        }
        false
    }

    fn next(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        if from >= bytes.len() {
            return None;
        }
        let span = Span::from(from..bytes.len());
        match self {
            Self::Packed(searcher) => searcher
                .find_in(bytes, span)
                .map(|found| (found.pattern().as_usize(), found.start())),
            Self::Automaton(automaton) => automaton
                .find(Input::new(bytes).span(span))
                .map(|found| (found.pattern().as_usize(), found.start())),
        }
    }
}
