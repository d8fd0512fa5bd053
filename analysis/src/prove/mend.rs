//! Mended statements for conditions that can raise an error: the tenant's rows behind a fence.
//!
//! Invariant: what is proposed parses; it is built from the statement, by replacing pieces of it.

use std::ops::Range;

use super::check::Purpose;
use super::state::{Leak, Prover, RteId, RteKind};
use crate::catalog::{KeyKind, Relation, quote};
use crate::diagnostic::Diagnostic;
use crate::ir::{RelationRef, Span};
use crate::prepare::{TenantBinding, prepare};

/// How the statement writes a table.
#[derive(Clone, Debug)]
pub(super) struct Written {
    rte: RteId,
    /// The name alone.
    name: Span,
    /// The name with its alias.
    item: Span,
    /// Whether the statement changes it.
    target: bool,
}

impl Prover<'_> {
    /// Notes where a table is written, for mended statements.
    pub(super) fn note_reference(&mut self, rte: RteId, reference: &RelationRef, purpose: Purpose) {
        if self.context.origin.is_some() || reference.only || reference.sample.is_some() {
            return;
        }
        let name = reference.name.span.clone();
        let end = match &reference.alias {
            Some(alias) => self
                .tokens
                .end_of_alias(name.end, !alias.columns.is_empty()),
            None => Some(name.end),
        };
        if let Some(end) = end {
            self.references.push(Written {
                rte,
                item: name.start..end,
                name,
                target: purpose != Purpose::Read,
            });
        }
    }

    /// What to write instead of an expression that can raise an error on these entries' rows;
    /// `condition` is the conjunct that it stands in.
    pub(super) fn help_leak(
        &self,
        diagnostic: Diagnostic,
        leak: &Leak,
        exposed: &[RteId],
        condition: Option<&Span>,
    ) -> Diagnostic {
        let base = |rte: &RteId| match self.rtes.get(*rte).map(|rte| &rte.kind) {
            Some(RteKind::Base(base)) => Some(base.relation),
            _ => None,
        };
        let mut diagnostic = diagnostic;
        let text = self.prepared.source_text(&leak.span);
        if leak.what == super::operator::PATTERN && self.context.origin.is_none() {
            diagnostic = diagnostic.help(format!(
                "end the pattern with a literal, as in `{text} || '%'`: then no backslash ends it"
            ));
        }
        let Some(relation) = exposed.iter().find_map(base) else {
            return diagnostic.help(
                "move the expression to the select list, or read the tenant's rows in `WITH own AS MATERIALIZED (SELECT … WHERE … = $tenant)` first",
            );
        };
        diagnostic = diagnostic.help(format!(
            "put `{}` under row-level security, whose condition PostgreSQL evaluates first: {}",
            relation.display(),
            super::explain::policy_sql(relation, self.catalog.config())
        ));
        match self.fenced(exposed, condition) {
            Some(mended) => diagnostic
                .help("or move the expression to the select list, or fence the tenant's rows with `OFFSET 0`, so that it is evaluated on them alone:")
                .help(format!("write: {mended}")),
            None => {
                let tenant = relation.tenant().map_or("", |column| &column.name);
                diagnostic.help(format!(
                    "or move the expression to the select list, or read the tenant's rows first: `WITH own AS MATERIALIZED (SELECT * FROM {} WHERE {} = $tenant)`",
                    relation.display(),
                    quote(tenant)
                ))
            }
        }
    }

    /// The statement with a fence around each of the entries.
    fn fenced(&self, exposed: &[RteId], condition: Option<&Span>) -> Option<String> {
        let mut edits = Vec::new();
        for rte in exposed {
            let RteKind::Base(base) = &self.rtes.get(*rte)?.kind else {
                return None;
            };
            let written = self.references.iter().find(|known| known.rte == *rte)?;
            let own = self.own_rows(base.relation, written)?;
            if written.target {
                // The target itself stays where it is: its rows are chosen by their key.
                let [_] = exposed else {
                    return None;
                };
                let condition = self.tokens.widen(condition?);
                let key = key(base.relation)?;
                let alias = quote(&self.rtes.get(*rte)?.name);
                let columns: Vec<String> = key
                    .iter()
                    .map(|column| format!("{alias}.{}", quote(column)))
                    .collect();
                let columns = columns.join(", ");
                let left = if key.len() > 1 {
                    format!("({columns})")
                } else {
                    columns.clone()
                };
                let text = self.prepared.source_text(&condition);
                edits.push((
                    self.prepared.source_span(&condition),
                    format!("{left} IN (SELECT {columns} FROM {own} WHERE {text})"),
                ));
            } else {
                edits.push((self.prepared.source_span(&written.item), own));
            }
        }
        let mended = edited(&self.prepared.source, edits)?;
        let parses = prepare(&mended, TenantBinding::LastParameter, self.catalog.config()).is_ok();
        parses.then_some(mended)
    }

    /// A table as the statement writes it, fenced.
    fn own_rows(&self, relation: &Relation, written: &Written) -> Option<String> {
        let name = self.prepared.source_text(&written.name);
        let after = self
            .prepared
            .source_text(&(written.name.end..written.item.end))
            .trim();
        let alias = match after.get(..3) {
            Some(word) if word.trim().eq_ignore_ascii_case("as") => after.get(2..)?.trim(),
            _ => after,
        };
        let alias = if alias.is_empty() {
            quote(&relation.name)
        } else {
            alias.to_owned()
        };
        let tenant = quote(&relation.tenant()?.name);
        Some(format!(
            "(SELECT * FROM {name} WHERE {tenant} = $tenant OFFSET 0) AS {alias}"
        ))
    }
}

/// The columns by which a row of a table is found.
fn key(relation: &Relation) -> Option<Vec<String>> {
    relation
        .keys
        .iter()
        .find(|key| key.kind == KeyKind::Primary)?
        .columns
        .iter()
        .cloned()
        .collect()
}

/// A text with other texts in these places; nothing if two of them overlap.
fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    edits.sort_by_key(|(range, _)| range.start);
    edits.dedup();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (range, new) in edits {
        out.push_str(text.get(from..range.start)?);
        out.push_str(&new);
        from = range.end;
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_replaced_from_left_to_right() {
        let edits = vec![(4..5, "two".to_owned()), (0..1, "one".to_owned())];
        assert_eq!(edited("1 + 2", edits).as_deref(), Some("one + two"));
        let overlapping = vec![(0..3, "x".to_owned()), (1..4, "y".to_owned())];
        assert_eq!(edited("12345", overlapping), None);
    }
}
