//! Mended statements: the tenant's rows behind a fence where a condition can raise an error, and the
//! tenant in the new rows of an INSERT.
//!
//! Invariant: what is proposed parses; it is built from the statement, by replacing pieces of it.

use std::ops::Range;

use super::check::Purpose;
use super::state::{Leak, OutputId, Prover, RteId, RteKind};
use crate::catalog::{KeyKind, Relation, quote};
use crate::diagnostic::Diagnostic;
use crate::ir::{Expr, ExprKind, Insert, Query, QueryBody, RelationRef, Span, Target};
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

/// A value that the source of an INSERT gives for the tenant column.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) output: OutputId,
    pub(super) column: usize,
    pub(super) span: Span,
    /// The caller's parameter that it is.
    pub(super) parameter: Option<u32>,
    /// Whether a set operation around it asks for its type.
    typed: bool,
}

impl Prover<'_> {
    /// Notes the values that the source of an INSERT gives for a column, but for the tenant.
    pub(super) fn note_given(&mut self, query: &Query, output: OutputId, column: usize) {
        if self.context.origin.is_none() {
            self.note_given_in(query, output, column, false);
        }
    }

    fn note_given_in(&mut self, query: &Query, output: OutputId, column: usize, typed: bool) {
        let values: Vec<&Expr> = match &query.body {
            QueryBody::Values(rows) => rows.iter().filter_map(|row| row.get(column)).collect(),
            QueryBody::Select(select) => {
                let star = |target: &Target| matches!(target.expr.kind, ExprKind::Star(_));
                let before = select.targets.iter().take(column + 1);
                match select.targets.get(column) {
                    Some(target) if !before.clone().any(star) => vec![&target.expr],
                    _ => Vec::new(),
                }
            }
            QueryBody::SetOperation { left, right, .. } => {
                self.note_given_in(left, output, column, true);
                self.note_given_in(right, output, column, true);
                return;
            }
        };
        for value in values {
            if self.is_tenant_value(value) {
                continue;
            }
            let mut plain = value;
            while let ExprKind::Cast { expr, .. } = &plain.kind {
                plain = expr;
            }
            self.given.push(Given {
                output,
                column,
                span: value.span.clone(),
                parameter: match plain.kind {
                    ExprKind::Parameter(number) if self.prepared.tenant != Some(number) => {
                        Some(number)
                    }
                    _ => None,
                },
                typed,
            });
        }
    }

    /// The statement with the tenant in place of every other value for the column.
    pub(super) fn with_tenant_values(&self, output: OutputId, column: usize) -> Option<String> {
        let edits: Vec<_> = self
            .given
            .iter()
            .filter(|given| given.output == output && given.column == column)
            .map(|given| {
                let span = self.tokens.widen(&given.span);
                (
                    self.prepared.source_span(&span),
                    self.tenant_text(given.typed),
                )
            })
            .collect();
        if edits.is_empty() {
            return None;
        }
        self.that_parses(edits)
    }

    /// An INSERT that gives the tenant column, in front of the others.
    pub(super) fn with_tenant_column(&self, insert: &Insert, column: &str) -> Option<String> {
        let first = insert.columns.first()?;
        let mut edits = vec![(
            self.prepared
                .source_span(&(first.span.start..first.span.start)),
            format!("{}, ", quote(column)),
        )];
        self.in_front(insert.source.as_deref()?, false, &mut edits)?;
        self.that_parses(edits)
    }

    fn in_front(
        &self,
        query: &Query,
        typed: bool,
        edits: &mut Vec<(Range<usize>, String)>,
    ) -> Option<()> {
        let firsts: Vec<(usize, bool)> = match &query.body {
            QueryBody::Values(rows) => rows
                .iter()
                .map(|row| Some((row.first()?.span.start, true)))
                .collect::<Option<_>>()?,
            QueryBody::Select(select) => vec![(select.targets.first()?.span.start, false)],
            QueryBody::SetOperation { left, right, .. } => {
                self.in_front(left, true, edits)?;
                return self.in_front(right, true, edits);
            }
        };
        for (start, row) in firsts {
            // A row is in brackets, a select list is not.
            let outermost = self.tokens.outermost_bracket(start);
            let at = match (row, outermost) {
                (true, bracket) => bracket? + 1,
                (false, bracket) => bracket.unwrap_or(start),
            };
            let at = self.prepared.source_span(&(at..at)).start;
            edits.push((at..at, format!("{}, ", self.tenant_text(typed))));
        }
        Some(())
    }

    fn tenant_text(&self, typed: bool) -> String {
        if typed {
            format!("$tenant::{}", self.tenant_type().name)
        } else {
            "$tenant".to_owned()
        }
    }

    /// The statement with other texts in these places, if it parses.
    fn that_parses(&self, edits: Vec<(Range<usize>, String)>) -> Option<String> {
        let mended = edited(&self.prepared.source, edits)?;
        let parses = prepare(&mended, TenantBinding::LastParameter, self.catalog.config()).is_ok();
        parses.then_some(mended)
    }

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
        self.that_parses(edits)
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
