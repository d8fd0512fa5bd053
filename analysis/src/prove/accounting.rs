//! Relation accounting: a mechanical walk over the text of the raw tree, independent of lowering.
//!
//! Invariant: every relation and every parameter that the tree names was classified, or the
//! statement is refused as a bug of ours. The walk knows nothing of SQL: it reads the printed tree.

use std::collections::BTreeSet;

/// The places of the nodes of one kind in a printed tree.
pub(crate) fn places(tree: &str, kind: &str) -> BTreeSet<usize> {
    let needle = format!("{{{kind} ");
    let mut found = BTreeSet::new();
    let mut from = 0;
    while let Some(at) = tree.get(from..).and_then(|rest| rest.find(&needle)) {
        let start = from + at;
        from = start + needle.len();
        // A brace inside of a string is printed with a backslash.
        if tree
            .get(..start)
            .is_some_and(|before| before.ends_with('\\'))
        {
            continue;
        }
        match location(tree.get(start..).unwrap_or_default()) {
            Some(location) => found.insert(location),
            // A node without a place can't be told from others: counted where no name can be.
            None => found.insert(usize::MAX),
        };
    }
    found
}

/// The last `:location` of the node that begins `node`, at its own level.
fn location(node: &str) -> Option<usize> {
    const LABEL: &str = " :location ";
    let mut depth = 0_usize;
    let mut escaped = false;
    let mut last = None;
    for (at, c) in node.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ' ' if depth == 1 => {
                if let Some(rest) = node.get(at..).and_then(|rest| rest.strip_prefix(LABEL)) {
                    let digits = rest.split([' ', '}']).next().unwrap_or_default();
                    last = digits.parse().ok();
                }
            }
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Limits, statements};

    fn relations(sql: &str) -> Vec<usize> {
        crate::worker::run(|| {
            let parsed = statements(sql, Limits::STATEMENT).unwrap();
            let tree = parsed.statements[0].node.to_text();
            places(&tree, "RANGEVAR").into_iter().collect()
        })
        .unwrap()
    }

    #[test]
    fn every_relation_is_counted_once() {
        let sql = "WITH x AS (SELECT 1 FROM a AS \"{RANGEVAR \") UPDATE b SET (c, d) = \
            (SELECT 1, 2 FROM e) FROM (SELECT 1 FROM ONLY f.g) s WHERE EXISTS (TABLE h)";
        let names: Vec<char> = relations(sql)
            .into_iter()
            .map(|at| sql[at..].chars().next().unwrap())
            .collect();
        assert_eq!(names, ['a', 'b', 'e', 'f', 'h']);
    }

    #[test]
    fn text_in_strings_is_not_counted() {
        assert!(relations("SELECT '{RANGEVAR :location 3}', $$ {RANGEVAR $$").is_empty());
    }
}
