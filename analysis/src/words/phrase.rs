//! Names that need several words to be a tenant's: a tenant column such as `clinic_group_id`, a
//! configured `care home`, and `cloud id`, whose noun alone is honest.

use super::list::{Entry, FIRST, PREFIXES, SECOND, SUFFIXES};
use super::{Extra, Match, Tier, column_match, column_stem, glued, is_number, same_noun, split};

/// The phrase that `words` are, with or without the listed prefixes and suffixes.
pub(super) fn find(words: &[String], extra: &Extra) -> Option<Match> {
    let mut core = words;
    loop {
        if let Some(found) = lookup(core, extra) {
            return Some(found);
        }
        core = match core {
            [first, rest @ ..] if !rest.is_empty() && affix(PREFIXES, first) => rest,
            [rest @ .., last] if !rest.is_empty() && affix(SUFFIXES, last) => rest,
            _ => return None,
        };
    }
}

fn affix(list: &[&str], word: &str) -> bool {
    list.contains(&word) || is_number(word)
}

fn lookup(core: &[String], extra: &Extra) -> Option<Match> {
    let is = |phrase: &[String]| {
        let (given, wanted) = (core.concat(), phrase.concat());
        phrase.len() > 1
            && (same_noun(&given, &wanted) || (core.len() == 1 && glued(&given, &wanted)))
    };
    for own in &extra.words {
        if is(&split::words(own)) {
            return Some(Match {
                tier: Tier::First,
                word: own.clone(),
                reason: "the configuration names it as a word for a tenant".to_owned(),
            });
        }
    }
    let stem = column_stem(extra);
    if is(&stem) {
        return Some(column_match(extra, &stem.join(" ")));
    }
    let listed = |list: &[Entry], tier: Tier| {
        list.iter()
            .find(|(phrase, _)| is(&split::words(phrase)))
            .map(|(phrase, reason)| Match {
                tier,
                word: (*phrase).to_owned(),
                reason: (*reason).to_owned(),
            })
    };
    listed(FIRST, Tier::First).or_else(|| listed(SECOND, Tier::Second))
}
