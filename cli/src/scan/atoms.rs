//! The texts of an answer by which it is known again: ids, addresses, references, sentences.
//!
//! What many answers hold by chance is no atom: numbers, times, short words, versions. What we sent is
//! taken out first, so that an echo is no leak. Invariant: the same answer has the same atoms.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How much of one answer is looked at.
const MOST_ATOMS: usize = 4000;
/// A longer text is known by its words alone.
const LONGEST_TEXT: usize = 400;

/// How well a text tells answers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// A sentence or a name: two tenants may have the same.
    Weak,
    /// An id, an address, a reference: two tenants don't have the same by chance.
    Strong,
}

/// The atoms of an answer.
pub(crate) type Atoms = BTreeMap<String, Strength>;

/// A value under its name, for arguments of other calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Named {
    /// The member that holds it, such as `id`.
    pub(crate) key: String,
    /// The member that holds that object, such as `ticket`; empty at the top.
    pub(crate) parent: String,
    pub(crate) value: Value,
}

/// What of a result is content: without `_meta` and what the protocol adds.
pub(crate) fn content(result: &Value) -> Value {
    let mut result = result.clone();
    if let Some(object) = result.as_object_mut() {
        for member in ["_meta", "ttlMs", "cacheScope", "resultType", "nextCursor"] {
            object.remove(member);
        }
    }
    result
}

/// The atoms of a content, with what was sent taken out.
pub(crate) fn atoms(content: &Value, sent: &[String]) -> Atoms {
    let mut atoms = Atoms::new();
    each(content, "", "", &mut |_, _, value| {
        if atoms.len() >= MOST_ATOMS {
            return;
        }
        match value {
            Value::String(text) => {
                let text = without(text, sent);
                of_text(&text, &mut atoms);
            }
            Value::Number(number) => {
                let text = number.to_string();
                if !sent.contains(&text) && text.len() >= 9 && !looks_like_time(&text) {
                    atoms.insert(text, Strength::Strong);
                }
            }
            _ => {}
        }
    });
    atoms
}

/// The named values of a content.
pub(crate) fn named(content: &Value) -> Vec<Named> {
    let mut values = Vec::new();
    each(content, "", "", &mut |key, parent, value| {
        let scalar = matches!(value, Value::String(text) if !text.is_empty() && text.len() <= 200)
            || value.is_number();
        if scalar && values.len() < MOST_ATOMS {
            values.push(Named {
                key: key.to_owned(),
                parent: parent.to_owned(),
                value: value.clone(),
            });
        }
    });
    values
}

/// All strings of a content, one on each line: where canaries and claims are looked for.
pub(crate) fn all_text(content: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    each(content, "", "", &mut |_, _, value| {
        if let Value::String(text) = value {
            texts.push(text.clone());
        } else if value.is_number() {
            texts.push(value.to_string());
        }
    });
    texts
}

/// Visits every scalar with its key and the key above. A text that is JSON is visited as such, as
/// most servers send their objects so.
fn each(value: &Value, key: &str, parent: &str, visit: &mut dyn FnMut(&str, &str, &Value)) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let above = if key.is_empty() { parent } else { key };
                each(inner, name, above, visit);
            }
        }
        Value::Array(list) => list.iter().for_each(|it| each(it, key, parent, visit)),
        Value::String(text) => match inner(text) {
            Some(inner) => each(&inner, key, parent, visit),
            None => visit(key, parent, value),
        },
        _ => visit(key, parent, value),
    }
}

/// The object or list that a text is.
fn inner(text: &str) -> Option<Value> {
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str::<Value>(trimmed)
        .ok()
        .filter(|it| it.is_object() || it.is_array())
}

/// The text without what was sent.
fn without(text: &str, sent: &[String]) -> String {
    let mut text = text.to_owned();
    for one in sent {
        if one.len() >= 3 && text.contains(one.as_str()) {
            text = text.replace(one.as_str(), "\u{2026}");
        }
    }
    text
}

fn of_text(text: &str, atoms: &mut Atoms) {
    for line in text.lines() {
        let line = line.trim();
        if line.len() <= LONGEST_TEXT && is_sentence(line) {
            atoms.entry(line.to_owned()).or_insert(Strength::Weak);
        }
        for word in line.split(|c: char| c.is_whitespace() || ",;()[]{}<>\"'`|=".contains(c)) {
            let word = word.trim_matches(|c: char| ".:!?*#\u{2026}".contains(c));
            if atoms.len() >= MOST_ATOMS {
                return;
            }
            if is_strong(word) {
                atoms.insert(word.to_owned(), Strength::Strong);
            }
        }
    }
}

/// Several words with letters, long enough that chance does not make them.
fn is_sentence(line: &str) -> bool {
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 8 && line.contains(' ') && !line.contains('\u{2026}') && !looks_like_time(line)
        || letters >= 14 && !line.contains('\u{2026}')
}

/// An id, an address or a reference.
pub(crate) fn is_strong(word: &str) -> bool {
    if word.len() < 6 || word.len() > 200 || looks_like_time(word) || word.contains('\u{2026}') {
        return false;
    }
    if let Some((name, domain)) = word.split_once('@') {
        return !name.is_empty() && domain.contains('.');
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        // A long number without marks.
        return digits == word.len() && digits >= 9;
    }
    digits >= 2 && letters >= 2 && !is_quantity(word) && !is_version(word) && !is_path_of_spec(word)
}

/// `1500ms`, `12.5GiB`, `3rd`.
fn is_quantity(word: &str) -> bool {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit() || ".+-".contains(c));
    rest.len() < word.len() && rest.chars().count() <= 3 && rest.chars().all(char::is_alphabetic)
}

/// `v1.22.3`, `1.0.0-rc.1`, `HTTP/1.1`.
fn is_version(word: &str) -> bool {
    let body = word.strip_prefix('v').unwrap_or(word);
    let mut parts = body.split(['.', '-', '+']);
    let leading = parts.by_ref().take(2).filter(|it| {
        !it.is_empty() && it.len() <= 4 && it.bytes().all(|byte| byte.is_ascii_digit())
    });
    leading.count() == 2
}

/// Addresses of schemas and specifications are everybody's.
fn is_path_of_spec(word: &str) -> bool {
    [
        "http://json-schema.org",
        "https://json-schema.org",
        "https://modelcontextprotocol.io",
    ]
    .iter()
    .any(|it| word.starts_with(it))
}

/// A date, a time, or seconds and milliseconds since 1970.
pub(crate) fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, mark: u8| bytes.get(at) == Some(&mark);
    let date = (0..4).all(digit) && (is(4, b'-') || is(4, b'/')) && digit(5) && digit(6);
    let clock = (0..2).all(digit) && is(2, b':') && digit(3) && digit(4);
    let number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let whole = text.split('.').next().unwrap_or(text);
    let epoch = number && whole.starts_with(['1', '2']) && matches!(whole.len(), 10 | 13 | 16 | 19);
    date || clock || epoch
}

/// Those of `atoms` that are in none of `others`.
pub(crate) fn minus(atoms: &Atoms, others: &BTreeSet<String>) -> Atoms {
    atoms
        .iter()
        .filter(|(text, _)| !others.contains(*text))
        .map(|(text, strength)| (text.clone(), *strength))
        .collect()
}

/// Those of `a` that are in `b` as well.
pub(crate) fn common(a: &Atoms, b: &Atoms) -> Atoms {
    a.iter()
        .filter(|(text, _)| b.contains_key(*text))
        .map(|(text, strength)| (text.clone(), *strength))
        .collect()
}

/// Whether these are evidence: one strong atom, or several weak ones.
pub(crate) fn telling(atoms: &Atoms) -> bool {
    atoms.values().any(|it| *it == Strength::Strong) || atoms.len() >= 2
}

/// The atom that shows a finding best: a strong one, the shortest.
pub(crate) fn best(atoms: &Atoms) -> Option<&str> {
    atoms
        .iter()
        .min_by_key(|(text, strength)| (std::cmp::Reverse(**strength), text.len(), (*text).clone()))
        .map(|(text, _)| text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn strong(text: &str) -> Vec<String> {
        let atoms = atoms(&json!({ "x": text }), &[]);
        let strong = atoms.into_iter().filter(|(_, it)| *it == Strength::Strong);
        strong.map(|(text, _)| text).collect()
    }

    #[test]
    fn ids_addresses_and_references_are_strong() {
        for text in [
            "7f2c1de0-3a5b-4c8d-9e1f-000000000001",
            "amy@acme.example",
            "ACM-C000123",
            "cus_N4x91Kq2",
        ] {
            assert_eq!(strong(&format!("see {text}, please")), [text]);
        }
    }

    #[test]
    fn times_numbers_versions_and_words_are_not() {
        for text in [
            "2026-11-23T12:00:01.123Z",
            "12:30:59",
            "1795435200",
            "1795435200123",
            "150000ms",
            "v1.22.3",
            "1.0.0-rc.1",
            "12345678",
            "Invoice",
            "99.95%",
        ] {
            assert_eq!(strong(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn an_echo_is_taken_out() {
        let sent = vec!["ACM-C000123".to_owned()];
        let answer = json!({"content": [{"type": "text", "text": "no customer ACM-C000123"}]});
        assert!(atoms(&answer, &sent).is_empty());
    }

    #[test]
    fn json_within_a_text_is_read() {
        let answer =
            json!({"content": [{"type": "text", "text": "{\"ticket\":{\"id\":\"a1\",\"n\":7}}"}]});
        let values = named(&answer);
        let id = values.iter().find(|it| it.key == "id").unwrap();
        assert_eq!((id.parent.as_str(), &id.value), ("ticket", &json!("a1")));
    }
}
