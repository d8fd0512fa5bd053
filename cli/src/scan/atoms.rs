//! The texts of an answer by which it is known again: ids, addresses, references, sentences.
//!
//! What many answers hold by chance is no atom: numbers, times, short words, versions. What we sent is
//! taken out first, so that an echo is no leak, and texts within texts are read (`decode`).
//! Invariant: the same answer has the same atoms.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::decode;

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
    each(content, "", "", 0, &mut |key, _, value| {
        if atoms.len() >= MOST_ATOMS {
            return;
        }
        match value {
            // What is within comes by itself, and reads better.
            Value::String(text) if decode::is_encoded(text) => {}
            Value::String(text) => {
                let text = without(text, sent);
                of_text(&text, &mut atoms);
                if let Some(strength) = by_its_name(key, &text) {
                    let known = atoms.entry(text).or_insert(strength);
                    *known = strength.max(*known);
                }
            }
            Value::Number(number) => {
                let text = number.to_string();
                if sent.contains(&text) || looks_like_time(&text) {
                } else if text.len() >= 9 {
                    atoms.insert(text, Strength::Strong);
                } else if text.len() >= 4 && is_row_id(key) {
                    // Under its name: another kind of thing has the same number.
                    atoms.insert(format!("{key} {text}"), Strength::Weak);
                }
            }
            _ => {}
        }
    });
    if atoms.is_empty()
        && let Some(whole) = figures(content, sent)
    {
        atoms.insert(whole, Strength::Weak);
    }
    atoms
}

/// An answer of nothing but numbers, as one text: it is known again as a whole.
fn figures(content: &Value, sent: &[String]) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    each(content, "", "", 0, &mut |key, _, value| {
        let text = value.to_string();
        if value.is_number() && !sent.contains(&text) && !looks_like_time(&text) {
            found.push(format!("{key} {text}").trim().to_owned());
        }
    });
    found.sort_unstable();
    let digits = found
        .iter()
        .flat_map(|it| it.bytes())
        .filter(u8::is_ascii_digit);
    (digits.count() >= 4 && found.len() <= 20).then(|| found.join(", "))
}

/// The named values of a content.
pub(crate) fn named(content: &Value) -> Vec<Named> {
    let mut values = Vec::new();
    each(content, "", "", 0, &mut |key, parent, value| {
        // Ids within a sentence have no name.
        if let Value::String(text) = value
            && text.contains(char::is_whitespace)
        {
            let words = text.split(|c: char| c.is_whitespace() || ",;()[]{}<>\"'`|=".contains(c));
            let words = words.map(|it| it.trim_matches(|c: char| ".:!?*#".contains(c)));
            for word in words.filter(|it| is_strong(it)).take(40) {
                if values.len() >= MOST_ATOMS {
                    return;
                }
                values.push(Named {
                    key: String::new(),
                    parent: String::new(),
                    value: Value::from(word),
                });
            }
        }
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
    each(content, "", "", 0, &mut |_, _, value| {
        if let Value::String(text) = value {
            texts.push(text.clone());
        } else if value.is_number() {
            texts.push(value.to_string());
        }
    });
    texts
}

/// How many encodings are taken off, one below the other.
const DEEPEST: usize = 4;

/// Members around an answer that say nothing of it.
pub(crate) const WRAPS: &[&str] = &[
    "structuredContent",
    "mine",
    "own",
    "text",
    "content",
    "result",
    "results",
    "items",
    "data",
    "values",
    "rows",
    "list",
    "output",
];

/// Visits every scalar with its key and the key above. A text that is JSON is visited as such, as
/// most servers send their objects so; one that is encoded is visited, and what is in it. A key that
/// is an id, as in a map of rows, is visited as a value without a name.
fn each(
    value: &Value,
    key: &str,
    parent: &str,
    depth: usize,
    visit: &mut dyn FnMut(&str, &str, &Value),
) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                if is_strong(name) {
                    visit("", key, &Value::from(name.as_str()));
                }
                let above = if key.is_empty() { parent } else { key };
                each(inner, name, above, depth, visit);
            }
        }
        Value::Array(list) => {
            // A list of texts that is the answer, or wrapped by a word that says nothing.
            let key = if WRAPS.contains(&key) { "" } else { key };
            list.iter()
                .for_each(|it| each(it, key, parent, depth, visit));
        }
        Value::String(text) => match inner(text) {
            Some(inner) if depth < DEEPEST => each(&inner, key, parent, depth + 1, visit),
            _ => {
                visit(key, parent, value);
                if depth < DEEPEST {
                    for text in decode::inside(text) {
                        each(&Value::from(text), key, parent, depth + 1, visit);
                    }
                }
            }
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
        if line.contains(['|', '\t']) {
            // A table: what stands in a cell is known again elsewhere.
            let cells = line.split(['|', '\t']).map(str::trim);
            for cell in cells.filter(|it| is_sentence(it) && it.len() <= LONGEST_TEXT) {
                atoms.entry(cell.to_owned()).or_insert(Strength::Weak);
            }
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

/// Last words of members that hold the id of a row.
const ROW_IDS: &[&str] = &[
    "id",
    "uuid",
    "guid",
    "ref",
    "reference",
    "uri",
    "email",
    "pk",
    "handle",
    "number",
];
/// Last words of members that hold what a person would call something.
const NAMES: &[&str] = &[
    "name",
    "title",
    "subject",
    "label",
    "company",
    "customer",
    "client",
    "contact",
    "person",
    "employee",
    "patient",
    "member",
    "owner",
    "assignee",
    "author",
    "vendor",
    "supplier",
    "address",
    "organisation",
    "organization",
    "phone",
];

fn is_row_id(key: &str) -> bool {
    let words = super::arguments::words(key);
    words
        .last()
        .is_some_and(|it| ROW_IDS.contains(&it.as_str()))
}

/// What the name of its member makes of a text: a short one may be an id, or a name.
fn by_its_name(key: &str, text: &str) -> Option<Strength> {
    if text.contains('\u{2026}') || text.len() > LONGEST_TEXT || looks_like_time(text) {
        return None;
    }
    if is_phone(text) {
        return Some(if text.starts_with('+') {
            Strength::Strong
        } else {
            Strength::Weak
        });
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let whole = !text.contains(char::is_whitespace);
    if whole && letters >= 1 && digits >= 1 && text.len() >= 4 && is_row_id(key) {
        let common = is_quantity(text) || is_version(text);
        return (!common).then_some(Strength::Strong);
    }
    let words = super::arguments::words(key);
    let named = words.last().is_some_and(|it| NAMES.contains(&it.as_str()));
    (named && letters >= 5).then_some(Strength::Weak)
}

/// `+49 40 5550`, `(555) 010-7788`.
fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let of_it = |c: char| c.is_ascii_digit() || "+()-./ ".contains(c);
    (7..=16).contains(&digits) && text.len() > digits && text.chars().all(of_it)
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
    fn what_the_name_of_a_member_makes_of_a_short_text() {
        let content = json!({"id": "n_8841", "n": "n_8843", "owner": "Ann Lee", "phone": "+49 40 5550",
            "order_id": 5512, "status": "open", "unit_number": "12kg", "SKU-AX11": {"qty": 4711}});
        let atoms = atoms(&content, &[]);
        let found: Vec<(&str, Strength)> = atoms.iter().map(|(a, b)| (a.as_str(), *b)).collect();
        let (strong, weak) = (Strength::Strong, Strength::Weak);
        assert_eq!(
            found,
            [
                ("+49 40 5550", strong),
                ("Ann Lee", weak),
                ("SKU-AX11", strong),
                ("n_8841", strong),
                ("order_id 5512", weak),
            ]
        );
    }

    #[test]
    fn an_answer_of_figures_is_known_as_a_whole() {
        let of = |content: Value| atoms(&content, &[]).into_keys().collect::<Vec<_>>();
        assert_eq!(
            of(json!({"total": 881.5, "orders": 8})),
            ["orders 8, total 881.5"]
        );
        assert_eq!(of(json!({"count": 8})), [""; 0]);
        assert_eq!(of(json!({"name": "Ann Lee", "total": 88123})), ["Ann Lee"]);
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
