//! What is no reason: an exception carries one so that a person who reads the report can judge it,
//! and a blank or a placeholder tells that person nothing.

/// Texts that stand where a reason belongs.
const PLACEHOLDERS: &[&str] = &[
    "a reason",
    "asdf",
    "bar",
    "because",
    "because i say so",
    "change me",
    "changeme",
    "dunno",
    "explain",
    "false positive",
    "fine",
    "fix later",
    "fixme",
    "foo",
    "foobar",
    "good reason",
    "hack",
    "honest",
    "ignore",
    "ignored",
    "it is fine",
    "it is safe",
    "its fine",
    "its safe",
    "later",
    "lorem ipsum",
    "my reason",
    "no reason",
    "no tenant",
    "none",
    "not a tenant",
    "not needed",
    "not tenant",
    "nothing",
    "okay",
    "open",
    "placeholder",
    "reason",
    "reason here",
    "reasons",
    "safe",
    "say why",
    "shut up",
    "some reason",
    "temp",
    "temporary",
    "test",
    "tests",
    "the reason",
    "this is fine",
    "todo",
    "todo reason",
    "trust me",
    "unknown",
    "whatever",
    "why",
    "write a reason",
    "your reason",
];

/// Why a text is no reason, in words that complete "the reason …"; nothing if it is one.
pub fn reason_problem(text: &str) -> Option<&'static str> {
    let words: Vec<String> = text
        .to_lowercase()
        .replace(['\'', '’'], "")
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() {
        return Some("is empty");
    }
    let plain = words.join(" ");
    let letters = plain.chars().filter(|c| c.is_alphabetic()).count();
    let one_letter = plain
        .chars()
        .filter(|c| c.is_alphabetic())
        .collect::<std::collections::BTreeSet<_>>()
        .len()
        == 1;
    // Scripts without spaces say much in few letters.
    let short = plain.is_ascii() && letters < 4;
    let marked = words
        .iter()
        .any(|word| matches!(word.as_str(), "todo" | "fixme" | "tbd" | "xxx"));
    if short || one_letter || marked || PLACEHOLDERS.contains(&plain.as_str()) {
        return Some("is a placeholder");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_reasons() {
        for text in [
            "",
            " ",
            "…",
            "...",
            "x",
            "xx",
            "XXX",
            "todo",
            "TODO!",
            "TODO: explain",
            "n/a",
            "tbd",
            "Reason.",
            "reason here",
            "because",
            "it's fine",
            "aaaaaa",
            "foo",
            "?",
            "--",
            "not a tenant",
            "false positive",
            "ok",
            "FIXME later please",
        ] {
            assert!(reason_problem(text).is_some(), "{text}");
        }
    }

    #[test]
    fn reasons_are_left_alone() {
        for text in [
            "renter of a flat",
            "the owner of a public repository",
            "landlord",
            "labels that users invent",
            "checked by B",
            "an OAuth client",
            "家賃を払う人",
            "site of the turbine",
        ] {
            assert_eq!(reason_problem(text), None, "{text}");
        }
    }
}
