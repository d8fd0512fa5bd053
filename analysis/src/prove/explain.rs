//! Refusals: what keeps an occurrence from being pinned, and the mended statement.

use std::collections::HashSet;

use super::check::Purpose;
use super::state::{
    BlockId, Context, Guard, Info, Node, OutputId, OutputSource, Prover, RteId, RteKind,
};
use crate::catalog::{Relation, quote};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::ir::{Expr, ExprKind, Span};

/// A comparison of a tenant column with something that is not the tenant.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    pub(super) node: Node,
    /// The other side.
    pub(super) span: Span,
    pub(super) kind: MissKind,
}

/// What a tenant column was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissKind {
    /// A parameter of the caller.
    Parameter(u32),
    /// The tenant by a cast that changes it.
    Cast,
    /// A constant, another setting, an expression.
    Other,
    /// The tenant itself, but where it does not filter.
    Tenant,
}

impl Prover<'_> {
    pub(super) fn explain_unpinned(
        &self,
        rte: RteId,
        relation: &Relation,
        block: BlockId,
        span: &Span,
        purpose: Purpose,
        context: &Context,
    ) -> Diagnostic {
        let column = relation.tenant_column.unwrap_or_default();
        let node = Node::Column(rte, column);
        let name = self
            .rtes
            .get(rte)
            .map_or_else(String::new, |rte| rte.name.clone());
        let tenant = relation.tenant().map_or("", |column| &column.name);
        let shown = relation.display();
        let what = match purpose {
            Purpose::Read => format!("rows of every tenant are read from `{shown}`"),
            Purpose::Change => format!("rows of every tenant are changed in `{shown}`"),
            Purpose::Merge => format!("the MERGE matches rows of every tenant in `{shown}`"),
            Purpose::Upsert => {
                format!("the row of `{shown}` that the upsert changes may be another tenant's")
            }
        };
        let mine: Vec<&Miss> = self
            .misses
            .iter()
            .filter(|miss| miss.node == node)
            .collect();
        let caller = mine.iter().find_map(|miss| match miss.kind {
            MissKind::Parameter(number) => Some((miss, number)),
            _ => None,
        });
        let other = mine.iter().find(|miss| miss.kind == MissKind::Other);
        let cast = mine.iter().find(|miss| miss.kind == MissKind::Cast);
        let misplaced = mine.iter().find(|miss| miss.kind == MissKind::Tenant);
        let nullable = self.reached_anyhow(block, node);
        let mut diagnostic = if let Some((miss, number)) = caller {
            let parameter = self.prepared.parameter_text(number);
            Diagnostic::error(
                Code::CALLER_TENANT,
                format!("the tenant of `{shown}` is chosen by the caller: `{parameter}` comes from the caller; write `$tenant`"),
            )
            .at(span.clone())
            .also(miss.span.clone(), "comes from the caller")
        } else if let Some(miss) = cast {
            let text = self.prepared.source_text(&miss.span);
            Diagnostic::error(
                Code::CALLER_TENANT,
                format!("{what}: `{text}` is not the tenant any more, as the cast may change it; write `$tenant`"),
            )
            .at(span.clone())
            .also(miss.span.clone(), "may be another value")
        } else if let Some(miss) = other {
            Diagnostic::error(
                Code::CALLER_TENANT,
                format!("{what}: its `{tenant}` is compared with something other than the tenant"),
            )
            .at(span.clone())
            .also(miss.span.clone(), "is not the session's tenant")
        } else if nullable {
            Diagnostic::error(
                Code::OUTER_JOIN,
                format!("{what}: the condition on the tenant stands in an outer join that keeps the rows that fail it"),
            )
            .at(span.clone())
        } else if let Some(miss) = misplaced {
            Diagnostic::error(
                Code::WRONG_PLACE,
                format!("{what}: the condition on the tenant stands where it does not filter them"),
            )
            .at(span.clone())
            .also(
                miss.span.clone(),
                "does not filter: it is under `OR`, `NOT` or outside of `WHERE` and `ON`",
            )
        } else {
            let code = match purpose {
                Purpose::Read => Code::UNPINNED,
                Purpose::Change => Code::FOREIGN_WRITE,
                Purpose::Merge => Code::MERGE,
                Purpose::Upsert => Code::UPSERT,
            };
            Diagnostic::error(code, what).at(span.clone())
        };
        diagnostic.label = Some(format!("no condition on `{}`", quote(tenant)));
        if !relation.parents.is_empty() {
            diagnostic.notes.push(format!(
                "`{shown}` is a partition or an inheriting table: the policies of its parent do not apply when it is named itself"
            ));
        }
        if relation.rls.enabled && !relation.rls.forced {
            diagnostic.notes.push(format!(
                "row-level security of `{shown}` is enabled but not forced, so it does not count"
            ));
        }
        if context.definer {
            diagnostic.notes.push(
                "it is read with an owner's rights, and an owner may bypass row-level security"
                    .to_owned(),
            );
        }
        if context.origin.is_some() {
            diagnostic.help.push(if context.definer {
                "filter by the tenant inside of it, or give a view `WITH (security_invoker = true)` over tables under row-level security".to_owned()
            } else {
                "filter by the tenant inside of it".to_owned()
            });
        } else {
            // An alias may have renamed the column.
            let renamed = self
                .scopes
                .iter()
                .flat_map(|scope| &scope.namespace.tables)
                .filter(|table| table.rte == Some(rte))
                .flat_map(|table| table.columns.iter().flat_map(|columns| columns.iter()))
                .find(|visible| visible.info.node == Some(node))
                .map_or_else(|| tenant.to_owned(), |visible| visible.name.to_string());
            let condition = format!("{}.{} = $tenant", quote(&name), quote(&renamed));
            let replaced = caller
                .map(|(miss, _)| miss)
                .or(cast)
                .and_then(|miss| self.replaced(&miss.span, "$tenant"));
            match purpose {
                _ if replaced.is_some() => {
                    diagnostic
                        .help
                        .extend(replaced.map(|mended| format!("write: {mended}")));
                }
                Purpose::Read | Purpose::Change => {
                    match self.mended(rte, span, &condition) {
                        Some(mended) => diagnostic.help.push(format!("write: {mended}")),
                        None => diagnostic.help.push(format!("add `{condition}`")),
                    }
                }
                Purpose::Merge => diagnostic.help.push(match self.mended(rte, span, &condition) {
                    Some(mended) => format!("write: {mended}"),
                    None => format!("add `{condition}` to the `ON` of the MERGE"),
                }),
                Purpose::Upsert => diagnostic.help.push(format!(
                    "infer a key that holds `{tenant}`, or add `WHERE {condition}` to the `DO UPDATE`"
                )),
            }
        }
        diagnostic
    }

    /// A table without a tenant column that is neither protected nor declared; `named` is its column
    /// that the statement compares with the tenant.
    pub(super) fn explain_undeclared(
        &self,
        relation: &Relation,
        span: &Span,
        named: Option<&str>,
    ) -> Diagnostic {
        let shown = relation.display();
        let global = format!("COMMENT ON TABLE {shown} IS '@global …'");
        let diagnostic = Diagnostic::error(
            Code::UNDECLARED,
            format!(
                "`{shown}` has neither a column `{}`, nor protection, nor a declaration",
                self.catalog.config().tenant.column
            ),
        )
        .at(span.clone());
        match named {
            Some(column) => diagnostic
                .help(format!(
                    "if `{column}` names the tenant of a row, declare so in a migration: COMMENT ON TABLE {shown} IS '@tenant {column}'"
                ))
                .help(format!("or, if all tenants share it: {global}")),
            None => diagnostic.help(format!(
                "if all tenants share it, declare so in a migration: {global}"
            )),
        }
    }

    /// Whether the value equals the tenant if every outer join kept matching rows alone.
    fn reached_anyhow(&self, block: BlockId, node: Node) -> bool {
        let mut all: HashSet<u32> = HashSet::new();
        let mut next = Some(block);
        while let Some(block) = next.and_then(|block| self.blocks.get(block)) {
            for fact in &block.facts {
                all.extend(fact.guard.iter());
            }
            all.extend(block.guard.iter());
            next = block.parent;
        }
        let mut all: Vec<u32> = all.into_iter().collect();
        all.sort_unstable();
        let guard: Guard = all.into();
        let mut memo = super::pin::Memo::default();
        self.reached(block, &guard, &mut memo).contains(node)
    }

    pub(super) fn explain_insert(
        &self,
        relation: &Relation,
        span: &Span,
        output: OutputId,
        index: usize,
    ) -> Diagnostic {
        let tenant = relation.tenant().map_or("", |column| &column.name);
        let shown = relation.display();
        let values = self
            .outputs
            .get(output)
            .is_some_and(|output| matches!(output.source, OutputSource::Values(_)));
        let given = || {
            self.given
                .iter()
                .filter(move |given| given.output == output && given.column == index)
        };
        let caller = given().find_map(|given| Some((given, given.parameter?)));
        let mended = self
            .with_tenant_values(output, index)
            .map(|mended| format!("write: {mended}"));
        match caller {
            Some((given, number)) => {
                let parameter = self.prepared.parameter_text(number);
                Diagnostic::error(
                    Code::CALLER_TENANT,
                    format!("the tenant of the new row of `{shown}` is chosen by the caller: `{parameter}` comes from the caller; write `$tenant`"),
                )
                .at(span.clone())
                .also(given.span.clone(), "comes from the caller")
                .help(mended.unwrap_or_else(|| {
                    format!("give `{tenant}` the value `$tenant` in every row")
                }))
            }
            None => Diagnostic::error(
                Code::FOREIGN_WRITE,
                format!("a new row of `{shown}` could be another tenant's or nobody's: its `{tenant}` is not the tenant"),
            )
            .at(span.clone())
            .help(mended.unwrap_or_else(|| if values {
                format!("give `{tenant}` the value `$tenant` in every row")
            } else {
                format!("select `$tenant` for `{tenant}`, in every arm of the query")
            })),
        }
    }

    /// Notes that a tenant column is compared with something, for the message if the entry turns
    /// out not to be pinned.
    pub(super) fn note_miss(&mut self, column: &Info, other: &Expr, value: &Info) {
        let Some(Node::Column(rte, index)) = column.node else {
            return;
        };
        let is_tenant = match self.rtes.get(rte).map(|rte| &rte.kind) {
            Some(RteKind::Base(base)) => base.relation.tenant_column == Some(index),
            _ => false,
        };
        if !is_tenant || self.context.origin.is_some() {
            return;
        }
        let mut plain = other;
        while let ExprKind::Cast { expr, .. } = &plain.kind {
            plain = expr;
        }
        let kind = match plain.kind {
            _ if value.node == Some(Node::Tenant) => MissKind::Tenant,
            ExprKind::Parameter(number) if self.prepared.tenant == Some(number) => MissKind::Cast,
            ExprKind::Parameter(number) => MissKind::Parameter(number),
            _ if value.constant => MissKind::Other,
            _ => return,
        };
        self.misses.push(Miss {
            node: Node::Column(rte, index),
            span: other.span.clone(),
            kind,
        });
    }

    /// Notes where a condition on entries goes that have no place yet.
    pub(super) fn note_insertion(
        &mut self,
        rtes: impl IntoIterator<Item = RteId>,
        filter: Option<&Expr>,
    ) {
        if self.context.origin.is_some() {
            return;
        }
        let insertion = Insertion {
            filter: filter.map(|filter| filter.span.clone()),
            or: filter.is_some_and(|filter| matches!(filter.kind, ExprKind::Or(_))),
        };
        for rte in rtes {
            if !self.insertions.iter().any(|(known, _)| *known == rte) {
                self.insertions.push((rte, insertion.clone()));
            }
        }
    }

    /// The statement with another text in one place.
    pub(super) fn replaced(&self, span: &Span, text: &str) -> Option<String> {
        let source = &self.prepared.source;
        let span = self.prepared.source_span(span);
        Some(format!(
            "{}{text}{}",
            source.get(..span.start)?,
            source.get(span.end..)?
        ))
    }

    /// The statement with the condition in the right place.
    pub(super) fn mended(&self, rte: RteId, span: &Span, condition: &str) -> Option<String> {
        let place = self
            .insertions
            .iter()
            .find(|(id, _)| *id == rte)
            .map(|(_, place)| place);
        let sql = &self.prepared.sql;
        let (at, end, text_before, text_after) = match place {
            Some(Insertion {
                filter: Some(filter),
                or,
            }) => {
                let widened = self.tokens.widen(filter);
                let wrap = *or && widened == *filter;
                let (open, close) = if wrap { ("(", ")") } else { ("", "") };
                let start = self.tokens.start_of_condition(filter.start);
                (
                    start.unwrap_or(widened.start).min(widened.start),
                    widened.end,
                    format!("{condition} AND {open}"),
                    close.to_owned(),
                )
            }
            Some(Insertion { filter: None, .. }) | None => {
                let at = self.tokens.end_of_from(span.end)?;
                (at, at, format!(" WHERE {condition}"), String::new())
            }
        };
        sql.get(at..end)?;
        let start = self.prepared.source_span(&(at..at)).start;
        let stop = self.prepared.source_span(&(at..end)).end.max(start);
        let source = &self.prepared.source;
        let mut before = source.get(..start)?.to_owned();
        // `TABLE t` takes no condition.
        let name = self.prepared.source_span(span).start;
        if text_before.starts_with(" WHERE")
            && let Some(word) = source.get(..name).map(str::trim_end)
            && let Some(from) = word.len().checked_sub("table".len())
            && word.get(from..)?.eq_ignore_ascii_case("table")
        {
            before.replace_range(from..word.len(), "SELECT * FROM");
        }
        Some(format!(
            "{before}{text_before}{}{text_after}{}",
            source.get(start..stop)?,
            source.get(stop..)?
        ))
    }
}

/// Where a condition on an entry goes.
#[derive(Clone, Debug)]
pub(super) struct Insertion {
    /// The condition that is there: of the `WHERE`, or of the `ON` that the entry depends on.
    pub(super) filter: Option<Span>,
    /// Whether it is an `OR`.
    pub(super) or: bool,
}

/// The statements that put a table under row-level security.
pub(super) fn policy_sql(relation: &Relation, config: &Config) -> String {
    let name = relation.display();
    let column = relation.tenant().map_or_else(
        || quote(&config.tenant.column),
        |column| quote(&column.name),
    );
    let policy = quote(&format!("{}_tenant", relation.name));
    format!(
        "ALTER TABLE {name} ENABLE ROW LEVEL SECURITY; ALTER TABLE {name} FORCE ROW LEVEL SECURITY; CREATE POLICY {policy} ON {name} USING ({column} = {}) WITH CHECK ({column} = {});",
        config.tenant_expression(),
        config.tenant_expression()
    )
}
