//! The variables of a URI template (RFC 6570), and the word that stands in front of each.
//!
//! Invariant: every variable that a client could fill in is found, whatever its operator and
//! modifier; an expression that can't be read counts as a variable of its own text.

/// A variable and what labels it: `tenants` in `/tenants/{id}`, `org` in `org://{id}` and in
/// `?org={id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The last word in front of it, with one mark between them; empty where there is none.
    pub label: String,
}

/// RFC 6570, 2.2.
const OPERATORS: [char; 12] = ['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|'];

/// Every variable of a template, in order.
pub fn variables(template: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    let (mut before, mut rest) = (String::new(), template);
    while let Some((literal, tail)) = rest.split_once('{') {
        before.push_str(literal);
        let (expression, tail) = tail.split_once('}').unwrap_or((tail, ""));
        let list = expression.strip_prefix(OPERATORS).unwrap_or(expression);
        for name in list.split(',') {
            let name = name.split(':').next().unwrap_or_default();
            found.push(Variable {
                name: name.trim_end_matches('*').trim().to_owned(),
                label: label(&before).to_owned(),
            });
            // A second variable of one expression follows a value, not a word.
            before.push('\u{0}');
        }
        rest = tail;
    }
    found
}

/// The last word in front of a variable, with nothing but one mark between them.
fn label(before: &str) -> &str {
    let word_end = before.trim_end_matches(['/', ':', '=', '.', '-', '_']);
    if word_end.len() == before.len() {
        return "";
    }
    word_end
        .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str) -> Vec<(String, String)> {
        let found = variables(template).into_iter();
        found.map(|it| (it.name, it.label)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        list.iter().map(owned).collect()
    }

    #[test]
    fn names_and_labels() {
        for (template, expected) in [
            ("ticket://{id}", &[("id", "ticket")] as &[_]),
            (
                "crm://tenants/{id}/notes/{note}",
                &[("id", "tenants"), ("note", "notes")],
            ),
            ("crm://x{?org_id,limit*}", &[("org_id", ""), ("limit", "")]),
            ("crm://x?org={id:36}", &[("id", "org")]),
            ("file:///{+path}", &[("path", "file")]),
            (
                "a{/one,two}b{broken",
                &[("one", ""), ("two", ""), ("broken", "")],
            ),
            ("plain://text", &[]),
        ] {
            assert_eq!(read(template), pairs(expected), "{template}");
        }
    }
}
