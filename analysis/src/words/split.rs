//! Splits a name into lower-case words: `snake_case`, `kebab-case`, `camelCase`, `PascalCase`,
//! `SCREAMING_CASE`, `HTTPHeader`, digits.

/// The kind of a character, for the places where a word ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Digit,
}

pub(super) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut previous: Option<Kind> = None;
    let chars: Vec<char> = name.chars().collect();
    for (index, c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            finish(&mut words, &mut current);
            previous = None;
            continue;
        }
        let kind = if c.is_ascii_digit() {
            Kind::Digit
        } else if c.is_uppercase() {
            Kind::Upper
        } else {
            Kind::Lower
        };
        // `orgID` ends before `I`; `IDOrg` ends before `O`, the last capital of a run.
        let next_is_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        let ends = match (previous, kind) {
            (Some(Kind::Lower | Kind::Digit), Kind::Upper) => true,
            (Some(Kind::Upper), Kind::Upper) => next_is_lower,
            (Some(Kind::Digit), Kind::Lower) | (Some(Kind::Lower | Kind::Upper), Kind::Digit) => {
                true
            }
            _ => false,
        };
        if ends {
            finish(&mut words, &mut current);
        }
        current.extend(c.to_lowercase());
        previous = Some(kind);
    }
    finish(&mut words, &mut current);
    words
}

fn finish(words: &mut Vec<String>, current: &mut String) {
    if !current.is_empty() {
        words.push(std::mem::take(current));
    }
}
