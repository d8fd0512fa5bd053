//! Sentences that ask a model for a tenant: "the organisation's id", "which workspace to search".
//!
//! A warning, not a refusal: what a sentence asks for is a matter of reading. Few false alarms are
//! worth more here than finding every form, so a word of the first tier must stand beside what
//! makes a request of it, and a sentence that says "never" or "session" is left alone.

use super::{Extra, Match, Tier, classify, split};

/// A place in a text that asks for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProseMatch {
    /// The words at fault, as they stand in the text.
    pub excerpt: String,
    /// The word for a tenant.
    pub word: String,
    /// Why it is one.
    pub reason: String,
}

/// What a value that names something is called.
const FORMS: &[&str] = &[
    "guid",
    "handle",
    "id",
    "identifier",
    "identifiers",
    "ids",
    "key",
    "slug",
    "uid",
    "uuid",
];

/// Verbs that ask for what follows.
const REQUESTS: &[&str] = &[
    "choose", "enter", "give", "indicate", "pass", "pick", "provide", "select", "specify",
    "supply", "which",
];

/// Words between a request and its object.
const ARTICLES: &[&str] = &[
    "a", "an", "any", "current", "other", "own", "right", "target", "the", "their", "this", "your",
];

/// What may follow the object of a request. Another word makes a compound of it: "the workspace
/// theme".
const AFTER: &[&str] = &[
    "and", "as", "for", "from", "if", "in", "is", "of", "on", "or", "that", "to", "whose", "with",
];

/// A sentence with one of these says that nothing is asked, or where the value comes from.
const DENIALS: &[&str] = &[
    "automatically",
    "cannot",
    "can't",
    "derived",
    "don't",
    "ignored",
    "implied",
    "never",
    "no",
    "not",
    "session",
    "token",
    "without",
];

/// The first place in `text` that asks a model for a tenant.
pub fn asks_for_tenant(text: &str, extra: &Extra) -> Option<ProseMatch> {
    sentences(text).find_map(|sentence| in_sentence(sentence, extra))
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    // A dot within a word, as in `example.com` or `e.g.`, ends nothing.
    text.split_inclusive(['.', '!', '?', ';', '\n'])
        .flat_map(|part| part.split(" - "))
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// One word of a sentence: as compared, and where it ends a clause.
struct Word<'t> {
    text: &'t str,
    /// Lower case, without punctuation and `'s`.
    plain: String,
    ends_clause: bool,
}

fn in_sentence(sentence: &str, extra: &Extra) -> Option<ProseMatch> {
    let words: Vec<Word<'_>> = sentence.split_whitespace().map(word).collect();
    if words
        .iter()
        .any(|word| DENIALS.contains(&word.plain.as_str()))
    {
        return None;
    }
    (0..words.len()).find_map(|at| {
        let (before, rest) = words.split_at_checked(at)?;
        let (noun, after) = rest.split_first()?;
        let found = tenant(&noun.plain, extra)?;
        let range = asked(before, noun, after)?;
        let excerpt: Vec<&str> = words.get(range)?.iter().map(|word| word.text).collect();
        Some(ProseMatch {
            excerpt: excerpt
                .join(" ")
                .trim_end_matches(|c: char| c.is_ascii_punctuation())
                .to_owned(),
            word: found.word,
            reason: found.reason,
        })
    })
}

fn word(text: &str) -> Word<'_> {
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    let plain = bare.to_lowercase().replace('’', "'");
    Word {
        text,
        plain: plain.strip_suffix("'s").unwrap_or(&plain).to_owned(),
        ends_clause: text.ends_with(|c: char| !c.is_alphanumeric()),
    }
}

/// A single word of the first tier, or one that already carries its form: `org_id`.
fn tenant(word: &str, extra: &Extra) -> Option<Match> {
    let found = classify(word, extra)?;
    (found.tier == Tier::First).then_some(found)
}

/// The range of words that asks for the noun between `before` and `after`.
fn asked(
    before: &[Word<'_>],
    noun: &Word<'_>,
    after: &[Word<'_>],
) -> Option<std::ops::Range<usize>> {
    let at = before.len();
    let next = after.first();
    // "organisation id", "the organisation's id".
    if !ends(noun)
        && next.is_some_and(|next| FORMS.contains(&next.plain.as_str()) && closes(next, after))
    {
        return Some(at..at + 2);
    }
    if !(noun.ends_clause || next.is_none_or(|next| AFTER.contains(&next.plain.as_str()))) {
        return None;
    }
    let determined = before
        .iter()
        .rev()
        .take_while(|word| ARTICLES.contains(&word.plain.as_str()) && !word.ends_clause)
        .count();
    let (head, _) = before.split_at_checked(at - determined)?;
    match head {
        // "id of the organisation".
        [.., form, of] if of.plain == "of" && FORMS.contains(&form.plain.as_str()) => {
            Some(head.len() - 2..at + 1)
        }
        // "Specify the workspace", "which tenant".
        [.., verb] if REQUESTS.contains(&verb.plain.as_str()) => Some(head.len() - 1..at + 1),
        // "The workspace to search in": a parameter described by its noun.
        [] if next.is_some_and(|next| next.plain == "to") && is_base_form(after.get(1)) => {
            Some(0..at + 3)
        }
        _ => None,
    }
}

fn ends(word: &Word<'_>) -> bool {
    word.ends_clause && !word.text.ends_with(['\'', '’'])
}

/// The form is not the first half of a compound: "organisation key rotation".
fn closes(form: &Word<'_>, after: &[Word<'_>]) -> bool {
    form.ends_clause
        || after
            .get(1)
            .is_none_or(|next| AFTER.contains(&next.plain.as_str()))
}

/// A verb after "to", as far as a word shows it: no article, no ending of another form.
fn is_base_form(word: Option<&Word<'_>>) -> bool {
    word.is_some_and(|word| {
        !ARTICLES.contains(&word.plain.as_str())
            && !word.plain.ends_with("ing")
            && !word.plain.is_empty()
            && split::words(&word.plain).len() == 1
    })
}

#[cfg(test)]
mod tests {
    use super::super::list::FIRST;
    use super::*;

    fn excerpt(text: &str) -> Option<String> {
        let extra = Extra {
            tenant_column: "clinic_id".to_owned(),
            ..Extra::default()
        };
        asks_for_tenant(text, &extra).map(|found| found.excerpt)
    }

    #[test]
    fn requests_are_found() {
        for (text, wanted) in [
            ("The organisation's id.", "organisation's id"),
            ("Organization ID, such as 42", "Organization ID"),
            ("The id of the workspace to search", "id of the workspace"),
            ("UUID of your tenant", "UUID of your tenant"),
            (
                "Lists tickets. Pass the clinic id if you know it.",
                "clinic id",
            ),
            ("The workspace to search in", "The workspace to search"),
            ("Specify the organisation", "Specify the organisation"),
            ("which tenant", "which tenant"),
            ("Customer id; which org.", "which org"),
            ("The clinic's slug", "clinic's slug"),
            (
                "Slug of the organization whose tickets are listed",
                "Slug of the organization",
            ),
        ] {
            assert_eq!(excerpt(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn honest_sentences_are_left_alone() {
        for text in [
            "",
            "Lists the customers of the organisation.",
            "Lists the organization's tickets, newest first.",
            "Invites a user to the workspace.",
            "The workspace theme to apply",
            "The organization chart",
            "Never asks for the tenant id.",
            "The tenant id comes from the session.",
            "The ticket's id.",
            "Which plan to list, such as \"pro\".",
            "Organization key rotation",
            "How the data is organized",
            "The id of the customer",
            "Adds the workspace to the list of favourites.",
            "Name of the organisation as it is printed on invoices.",
        ] {
            assert_eq!(excerpt(text), None, "{text}");
        }
    }

    #[test]
    fn every_listed_word_is_found_in_prose() {
        for (word, _) in FIRST {
            let text = format!("The {word}'s id.");
            assert!(excerpt(&text).is_some(), "{text}");
        }
    }
}
