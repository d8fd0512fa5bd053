//! What somebody meant who wrote another word: the nearest of the known ones, or the one that has
//! this meaning here. For messages alone; nothing is decided by it.

use watertight_analysis::catalog::distance;

/// The nearest of `known` by edit distance, if it is near enough to be a slip of the fingers.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // `readOnly` and `read-only` are `read_only`.
    let plain = |word: &str| word.to_lowercase().replace(['_', '-'], "");
    let typed = plain(word);
    known
        .into_iter()
        .map(|candidate| (distance(&typed, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Keys of other libraries, and what says the same here. `…` stands for the value.
const ELSEWHERE: &[(&str, &str)] = &[
    ("alias", "rename = \"…\""),
    ("description", "a doc comment: `/// …`"),
    ("desc", "a doc comment: `/// …`"),
    ("doc", "a doc comment: `/// …`"),
    ("exclusive_maximum", "range(..=…)"),
    ("exclusive_minimum", "range(…..)"),
    (
        "format",
        "a type with this form, such as `Uuid` or `NaiveDate`",
    ),
    ("max", "range(..=…)"),
    ("max_items", "length(..=…)"),
    ("max_len", "length(..=…)"),
    ("max_length", "length(..=…)"),
    ("maximum", "range(..=…)"),
    ("min", "range(…..)"),
    ("min_items", "length(…..)"),
    ("min_len", "length(…..)"),
    ("min_length", "length(…..)"),
    ("minimum", "range(…..)"),
    ("optional", "an `Option<…>` as the type"),
    ("permission", "requires = \"…\""),
    ("permissions", "requires = […]"),
    ("readonly_hint", "read_only"),
    ("regex", "pattern = \"…\""),
    (
        "required",
        "a type that is no `Option`: then it is required",
    ),
    ("scope", "requires = \"…\""),
    ("scopes", "requires = […]"),
    (
        "uri",
        "the URI as the first thing in the attribute: `\"ticket://{id}\"`",
    ),
];

/// What an unknown key may have meant, as one more line of help; empty where nothing is near.
/// `value` stands where the other library has it.
pub(crate) fn meant(key: &str, value: Option<&str>, known: &[&str]) -> String {
    let elsewhere = || {
        let (_, here) = ELSEWHERE.iter().find(|(word, _)| *word == key)?;
        let word = here.split(['(', ' ']).next()?;
        // A key that this place does not know helps nobody; a sentence does.
        (known.contains(&word) || here.contains('`') || here.contains("doc comment"))
            .then_some(*here)
    };
    if let Some(here) = elsewhere() {
        let here = match value {
            Some(value) if here.contains('…') && !here.contains('`') => {
                here.replacen('…', value, 1)
            }
            _ => here.to_owned(),
        };
        return match here.contains('`') {
            true => format!("\nhelp: write {here}"),
            false => format!("\nhelp: write `{here}`"),
        };
    }
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("\nhelp: did you mean `{near}`?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers() {
        let known = ["read_only", "requires", "title"];
        for (typed, meant) in [
            ("readonly", Some("read_only")),
            ("readOnly", Some("read_only")),
            ("require", Some("requires")),
            ("titel", Some("title")),
            ("reuqires", Some("requires")),
            ("destructive", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }

    #[test]
    fn words_of_other_libraries() {
        let known = ["range", "length", "pattern"];
        assert_eq!(
            meant("min", Some("1"), &known),
            "\nhelp: write `range(1..)`"
        );
        assert_eq!(
            meant("max_length", Some("9"), &known),
            "\nhelp: write `length(..=9)`"
        );
        assert_eq!(meant("scope", None, &known), "");
        assert_eq!(
            meant("lenght", None, &known),
            "\nhelp: did you mean `length`?"
        );
        assert!(meant("desc", None, &known).contains("`/// …`"));
    }
}
