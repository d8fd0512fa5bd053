//! Errors that name a tenant.

use watertight_analysis::Code;
use watertight_analysis::finding::Finding;
use watertight_analysis::words::{Extra, Tier, classify};

use super::{Scene, quote};
use crate::scan::ask::{Ask, Seen};

impl Scene<'_> {
    /// Looks at an error for a word for a tenant with a name behind it.
    pub(super) fn heed_error(&mut self, ask: &Ask, seen: &Seen) {
        let Err(error) = &seen.content else { return };
        let mut text = error.clone();
        for sent in ask.sent() {
            if sent.len() >= 2 {
                text = text.replace(&sent, "…");
            }
        }
        if let Some(name) = names_tenant(&text, self.extra) {
            let message = format!("an error names a tenant: {}", quote(&name));
            let finding = Finding::new(Code::ERROR_NAMES_TENANT, ask.place(), message)
                .note(format!("it says {}", quote(error)))
                .note(format!("asked as {}", quote(&ask.shown())))
                .help(
                    "answer \"not found\" with a reference, and write the rest to the log under it",
                );
            self.out.find(finding);
        }
    }
}

/// Words between the word for a tenant and its name.
const BETWEEN: &[&str] = &[
    "id",
    "uuid",
    "identifier",
    "name",
    "named",
    "slug",
    "with",
    "is",
    "of",
    "=",
];

/// The words of an error that name a tenant: `tenant acme-7`, `organization "Acme Bank"`.
fn names_tenant(text: &str, extra: &Extra) -> Option<String> {
    if let Some(found) = column(text, extra) {
        return Some(found);
    }
    let spaced = text.replace(['=', ':'], " ");
    let words: Vec<&str> = spaced.split_whitespace().take(400).collect();
    for (at, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
        let is_word =
            !bare.is_empty() && classify(bare, extra).is_some_and(|it| it.tier == Tier::First);
        if !is_word {
            continue;
        }
        let mut rest = words.iter().skip(at + 1);
        let mut next = rest.next();
        while next.is_some_and(|it| {
            BETWEEN.contains(
                &it.trim_matches(|c: char| !c.is_alphanumeric())
                    .to_lowercase()
                    .as_str(),
            )
        }) {
            next = rest.next();
        }
        if let Some(value) = next.filter(|it| is_name(it)) {
            return Some(format!("{bare} {value}"));
        }
    }
    None
}

/// A column or member for a tenant with a number: `tenant_id = 7`, `"orgId": 9`.
fn column(text: &str, extra: &Extra) -> Option<String> {
    text.match_indices(['=', ':']).find_map(|(at, mark)| {
        let before = text.get(..at)?.trim_end_matches([' ', '"', '\'', '`']);
        let after = text
            .get(at + mark.len()..)?
            .trim_start_matches([' ', '"', '\'']);
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let name = before.rsplit(|c: char| !is_of_name(c)).next()?;
        let number = after.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        let digits = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
        let column = name.to_lowercase().ends_with("id") && name.len() > 2;
        let tenant = classify(name, extra).is_some_and(|it| it.tier == Tier::First);
        (digits && column && tenant).then(|| format!("{name} {number}"))
    })
}

/// Whether a word can only be a name: quoted, or with digits or marks inside.
fn is_name(word: &str) -> bool {
    let quoted = word.len() > 2 && word.starts_with(['"', '\'', '`', '\u{201c}']);
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = bare.bytes().any(|it| it.is_ascii_digit());
    let status = bare.bytes().all(|it| it.is_ascii_digit()) && bare.len() <= 3;
    let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
    // `tenant-id`, `tenant_id` and `multi-tenant` are words, not names.
    let marked = bare.contains(['-', '_', '.', '@'])
        && !bare.split(['-', '_', '.', '@']).any(|it| {
            let known = [
                "id", "scoped", "level", "specific", "wide", "based", "aware", "header", "context",
            ];
            known.contains(&it.to_lowercase().as_str())
        });
    let quoted = quoted && letters + usize::from(digits) >= 2 && !word.contains('\u{2026}');
    (quoted || (digits && !status && bare.len() >= 3) || (marked && letters >= 3))
        && !word.contains('\u{2026}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_only_speaks_of_tenants() {
        for text in [
            "note 7 belongs to tenant acme-corp",
            "not found in organization \"Acme\"",
            "tenant_id=7f2c1de0-3a5b-4c8d-9e1f-000000000001 mismatch",
            "permission denied for org 4711",
            "workspace with id 'bolt' is suspended",
            "no row: SELECT title FROM deals WHERE tenant_id = 7 AND code = 'x'",
            "denied {\"orgId\": 9}",
        ] {
            assert!(names_tenant(text, &Extra::default()).is_some(), "{text}");
        }
        for text in [
            "tenant mismatch",
            "not found",
            "the tenant is taken from the token",
            "tenant required (400)",
            "no tenant in request 1234567",
            "organization not found: …",
            "unknown argument `tenant_id`, expected `limit`",
            "multi-tenant mode is off",
            "syntax error: WHERE tenant_id = $1",
            "tenant: 404 not found",
            "tenant_id: required",
        ] {
            assert!(names_tenant(text, &Extra::default()).is_none(), "{text}");
        }
    }
}
