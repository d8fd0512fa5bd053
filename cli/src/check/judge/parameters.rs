//! Parameters of statements that are bound by hand: which of them is the tenant.
//!
//! sqlx binds by number, so a statement that filters by its tenant names it `$1`. Each number becomes
//! a name, and the one that carries the tenant becomes `$tenant`, so that the prover can follow it.

use std::ops::Range;

use watertight_analysis::prepare::parameters_in;

/// A statement with names instead of numbers.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) sql: String,
    /// Ranges of the names, and of the numbers in the original.
    edits: Vec<(Range<usize>, Range<usize>)>,
}

/// The numbers of a statement's parameters, each once.
pub(super) fn numbers(sql: &str) -> Vec<u32> {
    let mut found: Vec<u32> = parameters_in(sql)
        .unwrap_or_default()
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A mend as sqlx binds it: the tenant has the number that the mend took out, or the next one. With the
/// number, and whether it is new.
pub(super) fn numbered(sql: &str, mend: &str) -> Option<(String, u32, bool)> {
    const TENANT: &str = "$tenant";
    let ends = |rest: &str| !rest.starts_with(|it: char| it.is_alphanumeric() || it == '_');
    let has = |name: &str| {
        mend.match_indices(name)
            .any(|(at, _)| mend.get(at + name.len()..).is_some_and(ends))
    };
    if !has(TENANT) {
        return None;
    }
    let known = numbers(sql);
    let gone: Vec<u32> = known
        .iter()
        .copied()
        .filter(|number| !has(&format!("${number}")))
        .collect();
    let (number, new) = match gone.as_slice() {
        [] => (known.last().copied().unwrap_or_default() + 1, true),
        [number] => (*number, false),
        _ => return None,
    };
    let mut text = String::new();
    let mut rest = mend;
    while let Some((before, after)) = rest.split_once(TENANT) {
        text.push_str(before);
        match ends(after) {
            true => text.push_str(&format!("${number}")),
            false => text.push_str(TENANT),
        }
        rest = after;
    }
    text.push_str(rest);
    Some((text, number, new))
}

/// Names the parameters; those in `tenant` are the tenant.
pub(super) fn named(sql: &str, tenant: &[u32]) -> Option<Named> {
    let mut named = Named {
        sql: String::new(),
        edits: Vec::new(),
    };
    let mut from = 0;
    for (range, number) in parameters_in(sql)? {
        named.sql.push_str(sql.get(from..range.start)?);
        let start = named.sql.len();
        match tenant.contains(&number) {
            true => named.sql.push_str("$tenant"),
            false => named.sql.push_str(&format!("$p{number}")),
        }
        named.edits.push((start..named.sql.len(), range.clone()));
        from = range.end;
    }
    named.sql.push_str(sql.get(from..)?);
    Some(named)
}

impl Named {
    /// A text as it is.
    pub(super) fn plain(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            edits: Vec::new(),
        }
    }

    /// The place in the original of a place in the named text.
    pub(super) fn original(&self, span: &Range<usize>) -> Range<usize> {
        let at = |offset: usize, end: bool| {
            let (mut from, mut to) = (0, 0);
            for (new, old) in &self.edits {
                if offset < new.start {
                    break;
                }
                if offset < new.end {
                    return if end { old.end } else { old.start };
                }
                (from, to) = (new.end, old.end);
            }
            to + (offset - from)
        };
        let last = span.end.max(span.start + 1) - 1;
        let start = at(span.start, false);
        // The end of a name is the end of its number.
        let inside = self.edits.iter().find(|(new, _)| new.contains(&last));
        let end = inside.map_or_else(|| at(last, true) + 1, |(_, old)| old.end);
        start..end.max(start)
    }

    /// A text of a message in the words of the original.
    pub(super) fn in_numbers(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("$p") {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let digits = after.get(2..).unwrap_or_default();
            let length = digits.len()
                - digits
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .len();
            out.push('$');
            if length == 0 {
                out.push('p');
            }
            out.push_str(digits.get(..length).unwrap_or_default());
            rest = digits.get(length..).unwrap_or_default();
        }
        out.push_str(rest);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mend_is_written_with_numbers() {
        let sql = "SELECT a FROM t WHERE b = $1";
        let mend = |text: &str| super::numbered(sql, text).unwrap();
        assert_eq!(
            mend("write: SELECT a FROM t WHERE t.org = $tenant AND b = $1"),
            (
                "write: SELECT a FROM t WHERE t.org = $2 AND b = $1".to_owned(),
                2,
                true
            )
        );
        assert_eq!(
            mend("write: SELECT a FROM t WHERE t.org = $tenant AND b = $tenant"),
            (
                "write: SELECT a FROM t WHERE t.org = $1 AND b = $1".to_owned(),
                1,
                false
            )
        );
        assert_eq!(super::numbered(sql, "leave `$tenants` out"), None);
    }

    #[test]
    fn numbers_become_names_and_places_go_back() {
        let sql = "SELECT '$1' FROM t WHERE a = $1 AND b = $12 AND c = $1::uuid";
        let named = named(sql, &[1]).unwrap();
        assert_eq!(
            named.sql,
            "SELECT '$1' FROM t WHERE a = $tenant AND b = $p12 AND c = $tenant::uuid"
        );
        let place = |part: &str| {
            let at = named.sql.find(part).unwrap();
            &sql[named.original(&(at..at + part.len()))]
        };
        assert_eq!(place("$tenant"), "$1");
        assert_eq!(place("b = $p12"), "b = $12");
        assert_eq!(place("uuid"), "uuid");
        assert_eq!(numbers(sql), [1, 12]);
        assert_eq!(Named::in_numbers("b = $p12 or $plan"), "b = $12 or $plan");
    }
}
