//! Canaries and claims: texts that belong to one identity because someone said so.

use watertight_analysis::Code;
use watertight_analysis::finding::{Finding, Level};

use super::{CALLED, Scene, others_data, quote};
use crate::scan::ask::{Ask, Seen};
use crate::scan::identity::Mark;

impl Scene<'_> {
    /// Looks in an answer for the other identity's canaries and claims. Every answer passes here.
    pub(super) fn heed(&mut self, side: usize, ask: &Ask, seen: &Seen) {
        let (own, other) = (CALLED.get(side), CALLED.get(1 - side));
        let (Some(own), Some(other)) = (own, other) else {
            return;
        };
        let sent = ask.sent();
        let texts = seen.texts();
        let mut found = Vec::new();
        for mark in &self.identity(1 - side).marks {
            // What we sent may come back, and whoever asks about a tenant hears its name.
            if sent.iter().any(|it| it.contains(&mark.text)) {
                continue;
            }
            let Some(held) = texts.iter().filter_map(|it| holds(it, mark)).max() else {
                continue;
            };
            let message = format!(
                "{own} is shown the {} of {other}: {}",
                mark.name(),
                quote(&mark.text)
            );
            let mut finding = others_data(ask.place(), message)
                .about(mark.what.clone())
                .note(format!("asked as {}", quote(&ask.shown())));
            if held == Held::Perhaps {
                finding = finding.review().level(Level::Medium);
            }
            found.push(finding);
        }
        found.into_iter().for_each(|it| self.out.find(it));
        if let Err(error) = &seen.content {
            self.heed_own(side, ask, error);
        }
    }

    /// An error that tells callers their own tenant's identifier.
    fn heed_own(&mut self, side: usize, ask: &Ask, error: &str) {
        let sent = ask.sent();
        let named = self.identity(side).marks.iter().find(|mark| {
            mark.what != "canary"
                && watertight_analysis::words::classify(&mark.what, self.extra).is_some()
                && !sent.iter().any(|it| it.contains(&mark.text))
                && holds(error, mark) == Some(Held::Surely)
        });
        if let Some(mark) = named {
            let message = format!("an error tells the caller's tenant, the {}", mark.name());
            let finding = Finding::new(Code::ERROR_NAMES_TENANT, ask.place(), message)
                .note(format!("it says {}", quote(error)))
                .help(
                    "answer \"not found\" with a reference, and write the rest to the log under it",
                );
            self.out.find(finding);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    /// A short word, which may be there by chance.
    Perhaps,
    Surely,
}

/// Whether a text holds a mark: a canary anywhere, a claim as a word.
fn holds(text: &str, mark: &Mark) -> Option<Held> {
    if mark.what == "canary" {
        return text.contains(&mark.text).then_some(Held::Surely);
    }
    if text == mark.text {
        return Some(Held::Surely);
    }
    let is_edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.match_indices(&mark.text).find_map(|(at, found)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text
            .get(at + found.len()..)
            .and_then(|it| it.chars().next());
        (is_edge(before) && is_edge(after)).then_some(if found.len() >= 8 {
            Held::Surely
        } else {
            Held::Perhaps
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_a_word_and_a_canary_is_anywhere() {
        let claim = |text: &str| Mark {
            what: "org_id".to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(holds("acme", &claim("acme")), Some(Held::Surely));
        assert_eq!(
            holds("such as acme, or bolt", &claim("acme")),
            Some(Held::Perhaps)
        );
        assert_eq!(holds("acmeville", &claim("acme")), None);
        assert_eq!(
            holds("of org_4711x9.", &claim("org_4711x9")),
            Some(Held::Surely)
        );
        let canary = Mark {
            what: "canary".to_owned(),
            text: "zebra".to_owned(),
        };
        assert_eq!(holds("xzebrax", &canary), Some(Held::Surely));
    }
}
